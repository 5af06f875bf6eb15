"""Turns a model's answers into sections and reports, and resumes what an earlier attempt wrote."""

"""Turning files of requests into jobs, and ending batches whose jobs have ended."""

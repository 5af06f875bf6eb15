"""Renders Markdown of a model to HTML that loads and runs nothing."""

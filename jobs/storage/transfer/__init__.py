"""Whole databases: copies of them, as back-ups and on the way to another engine."""

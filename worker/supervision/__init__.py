"""Threads of a worker process: its sign of life, and the rescue of what dead workers left."""

"""Redis: the event log that carries a job's stream, and the Celery queue that wakes workers."""

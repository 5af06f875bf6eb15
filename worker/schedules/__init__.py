"""Makes the runs of schedules."""

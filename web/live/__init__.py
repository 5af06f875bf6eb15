"""What a job page shows while the job runs, read from its event log."""

"""Follows event logs for viewers: one Redis subscription a process, one buffer a job."""

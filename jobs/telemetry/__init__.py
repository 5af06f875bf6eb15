"""What the processes tell of themselves: metrics, logs, traces. Ids, names and numbers, never texts."""

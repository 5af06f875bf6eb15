"""A long history of jobs, for benchmarks of what it costs."""

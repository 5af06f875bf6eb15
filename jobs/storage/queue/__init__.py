"""The jobs that wait for a worker: whose turn it is, the claim, and how many are before one."""

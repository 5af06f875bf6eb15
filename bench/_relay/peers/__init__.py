"""How others hand events on: each in a process of its own, where it is installed."""

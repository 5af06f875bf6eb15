"""What viewers get, and what they cost."""

"""What is asked again and again: when, and with which words each time."""

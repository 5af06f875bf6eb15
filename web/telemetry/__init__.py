"""What a web process tells of itself."""

"""What every request and answer has in common: bodies, headers, and streams that end with their key."""

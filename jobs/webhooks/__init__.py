"""What a webhook is: its events, its signature, and the addresses that it may go to."""

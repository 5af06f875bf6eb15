"""Commands that work on the machine itself: database, prompts, diagnosis."""

"""What an owner may have and ask for at once, and the words for it."""

"""`/v1/chat/completions`: the same jobs in the words of the older API. A translation at the edge, and nothing more."""

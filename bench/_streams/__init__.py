"""Streams whose tokens carry the time at which the model sent them."""

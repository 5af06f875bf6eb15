"""JSON schemas that a user gave: what may be accepted, and whether a value follows one, at a bounded cost."""

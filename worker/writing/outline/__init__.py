"""The outline of a report: what is asked for, and how whatever a model answers is read."""

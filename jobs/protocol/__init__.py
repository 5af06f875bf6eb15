"""The wire of a job: its events, what they fold to, and the response object. Pure."""

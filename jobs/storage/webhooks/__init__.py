"""Webhooks in the database: where owners want to be told, and what they are to be told."""

"""Sending what endpoints are to be told."""

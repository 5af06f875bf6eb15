"""Requests that are made again and again."""

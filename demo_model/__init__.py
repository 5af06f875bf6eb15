"""The offline demo model: an OpenAI-compatible chat-completions server whose pace and faults can be scripted.

A program of its own: it imports nothing of Penstock and nothing from outside the standard library.
"""

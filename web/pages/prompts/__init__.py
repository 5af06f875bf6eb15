"""The page of prompts."""

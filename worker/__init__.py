"""Runs jobs: claims them, calls the model, records what it writes. The only package that knows LangChain."""

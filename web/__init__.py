"""Serves jobs over HTTP: the API, the relay, the pages. The only package that knows Flask."""

"""Lists of an owner's jobs: page by page, by filter, counted; none reads what grows with a request or a text."""

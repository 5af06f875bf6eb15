"""What an answer of a model server is in bytes, chunks and words, whoever made the server."""

"""Files and batches over the API."""

"""Batches in the database: files of requests, and the jobs that they become."""

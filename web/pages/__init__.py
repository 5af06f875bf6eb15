"""The pages for people, and a job's text as a file."""

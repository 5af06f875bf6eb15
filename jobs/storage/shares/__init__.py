"""Links by which anybody may read the text of a job."""

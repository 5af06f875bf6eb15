"""What a job is written from: files, and the parts of a long text."""

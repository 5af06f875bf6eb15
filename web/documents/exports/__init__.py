"""A job's text as a DOCX or PDF file, made from the HTML of its page by a process of its own."""

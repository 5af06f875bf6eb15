"""Full-text search: finds jobs by words of their requests and texts, on SQLite and on PostgreSQL."""

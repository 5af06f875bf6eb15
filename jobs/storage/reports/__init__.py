"""Jobs that belong together: a report, and those in which its sections were written again."""

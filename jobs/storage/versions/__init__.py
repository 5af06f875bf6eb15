"""The version of the database: compared with the newest when a process starts, and brought to it."""

"""A disk without room: noticing it, and a reserve that lets people make room."""

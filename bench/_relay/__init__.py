"""What `relay.py` measures with: viewers that only count, publishers at a set rate, and nchan beside us."""

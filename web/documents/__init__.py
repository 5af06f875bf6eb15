"""Files that people bring and take away. What reads or makes them runs in processes of its own, within limits."""

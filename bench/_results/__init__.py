"""What every benchmark prints."""

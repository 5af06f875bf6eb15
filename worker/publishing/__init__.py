"""Numbers the events of an attempt and carries them to the event log."""

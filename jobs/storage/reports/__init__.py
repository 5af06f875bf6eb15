"""Jobs that belong together: versions of a report, and turns that go on with a text."""

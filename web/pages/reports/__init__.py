"""Pages of what is done with a report: its plan is agreed on."""

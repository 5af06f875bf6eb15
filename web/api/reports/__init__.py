"""What the API does with reports: their plans, and versions of their sections."""

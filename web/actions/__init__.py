"""The use cases: each changes rows and sends the wake-ups that belong to it. API and pages call these."""

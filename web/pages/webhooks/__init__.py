"""The page about webhooks."""

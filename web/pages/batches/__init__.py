"""The page about batches."""

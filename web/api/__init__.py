"""The Responses API and what describes it."""

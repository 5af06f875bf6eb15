"""A section's text as the report needs it: pure filters between the model's words and what is written."""

"""Commands for what people do with a report: agree on its plan, write a section again, share it."""

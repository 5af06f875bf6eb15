"""What may be asked for: the body of a create, prompts and their variables."""

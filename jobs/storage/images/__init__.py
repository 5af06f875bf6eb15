"""Images of inputs: each is there once for its owner, for as long as a job of theirs has it."""

"""How a model server is reached, and the body of its answer read with as little work a token as possible."""

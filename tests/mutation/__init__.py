"""Guards of the product, each taken away once: a test has to notice."""

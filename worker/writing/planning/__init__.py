"""The plan of a report: asked of a model, and agreed on by a person where that is wished."""

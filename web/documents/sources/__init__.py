"""The text in the files that people bring, taken out by a process of its own."""

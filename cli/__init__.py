"""The command `penstock`: starts the processes, talks to a server over HTTP, and imports neither."""

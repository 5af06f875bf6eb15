"""The client commands: they talk to a server over HTTP."""

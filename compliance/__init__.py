"""Whether a server keeps what the Responses API in background mode promises: any server, over HTTP alone."""

"""The model server: requests, streamed chunks, errors, cancellation. The only room that knows LangChain."""

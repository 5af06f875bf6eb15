"""What a job is: its record, states, request, events, log and store. Knows neither Flask nor LangChain."""

"""`penstock up` and the processes it starts."""

"""Who may ask: keys, the sessions of browsers, and what each owner may have."""

"""How settings are written, what each may be, and what is said of a bad one."""

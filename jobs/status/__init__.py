"""Why a job waits, and how it ended: a stable code for programs, and one sentence that says what to do for people."""

"""The same thing as people write it by hand: a Celery task, Redis, Flask and server-sent events, as tutorials have it.

Only for `by_hand.py` to compare with. Clients at module level, an environment read at import: tutorials do that too.
"""

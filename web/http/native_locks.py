"""The locks of logging, which greenlets and threads of the system both take."""

from __future__ import annotations

import logging

from gevent.monkey import get_original


def share_logging_with_threads() -> None:
    """Give logging the system's own locks; to be called when gevent has patched it and its handlers are there.

    Of gevent's locks (26.9) a greenlet may never wake when a thread of the system has held one: a request that logged
    while a text was rendered was not answered. What logging does under them is short, and gives way to no greenlet.
    """
    native_lock = get_original("_thread", "RLock")
    logging._lock = native_lock()  # type: ignore[attr-defined]
    for reference in logging._handlerList:  # type: ignore[attr-defined]
        if (handler := reference()) is not None:
            handler.lock = native_lock()

"""Whether a call that failed is made again, and when: a few quick tries, and patience with a server that is well."""

from __future__ import annotations

import time

from jobs.settings import Settings
from worker.model.errors import Cause, ModelError

# The longest pause of our own choice, in seconds; a server that restarts is to be noticed soon.
_LONGEST_PAUSE = {None: 60.0, Cause.LIMITED: 20.0, Cause.AWAY: 2.0}


class RetryPolicy:
    """The tries of one step with one model. `tries` counts those that failed."""

    def __init__(self, settings: Settings, *, has_fallback: bool) -> None:
        """With a fallback there is no patience: the other model is asked after the quick tries."""
        self.tries = 0
        # How often the model is asked at most; None while it is asked for as long as patience lasts.
        self.most_tries: int | None = None
        self._quick_tries = settings.model_retries
        self._bounds = {Cause.LIMITED: settings.wait_seconds, Cause.AWAY: settings.restart_seconds}
        self._has_fallback = has_fallback
        self._cause: Cause | None = None
        self._since = 0.0

    def pause(self, fault: ModelError) -> float | None:
        """Seconds to wait before the next try; None when there is to be none."""
        if not fault.transient:
            return None
        self.tries += 1
        if fault.cause is not self._cause:
            self._cause = fault.cause
            self._since = time.monotonic()
        pause = fault.pause(self.tries - 1, _LONGEST_PAUSE[fault.cause])
        # A server that asks to be asked again at once needs no patience.
        if fault.cause and fault.retry_after != 0 and not self._has_fallback:
            left = self._bounds[fault.cause] - (time.monotonic() - self._since)
            if left > 0:
                self.most_tries = None
                # Rounded up: a server that asks for just the whole bound is waited for.
                return min(pause, left) if (fault.retry_after or 0.0) <= left + 1 else None
        if self._quick_tries <= 0:
            return None
        self.most_tries = self.tries + self._quick_tries
        self._quick_tries -= 1
        return min(pause, _LONGEST_PAUSE[None] * 1.25)

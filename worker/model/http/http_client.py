"""The HTTP client of all models of a worker process."""

from __future__ import annotations

from urllib.request import getproxies

import httpx2

from jobs.settings import LOOPBACK, Settings
from worker.model.cancellation import current_call
from worker.model.http.transport import DirectTransport

_CONNECT_SECONDS = 5.0


def http_client(settings: Settings) -> httpx2.Client:
    """An HTTP client whose every connection is known to the call that opened it.

    No connection is kept for a later call: it could be shut by a cancel that is late, or be closed by the
    server unseen; against a long generation its price is nothing.
    """
    direct = DirectTransport()
    return httpx2.Client(
        timeout=httpx2.Timeout(settings.total_seconds, connect=_CONNECT_SECONDS, write=30.0),
        limits=httpx2.Limits(max_keepalive_connections=0),
        # With a transport of ours httpx would use no proxy.
        transport=None if getproxies().keys() - {"no"} else direct,
        event_hooks={"request": [_trace_call]},
        # Whatever proxy the environment names: not for a server on this machine.
        mounts={f"all://[{host}]" if ":" in host else f"all://{host}": direct for host in LOOPBACK},
    )


def _trace_call(request: httpx2.Request) -> None:
    call = current_call.get()
    if call is not None:
        request.extensions = {**request.extensions, "trace": call.trace}

"""gunicorn's configuration for the web process: `gunicorn -c python:web.gunicorn "web.app:create_app()"`.

The address is always given with `--bind`; more processes with `--workers` or WEB_CONCURRENCY.
"""

from __future__ import annotations

import gc
import os
import resource
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

# A viewer holds its connection for the whole of a generation: one greenlet each, not one thread.
worker_class = "web.http.gevent_worker.Worker"
worker_connections = 2000
_FILES = 8192
# How long the event loop keeps the interpreter from the threads that have a statement's rows, or a rendered text, and
# they from it. Python's own 5 ms would come several times into every statement of SQLite.
_SWITCH_SECONDS = 0.001

# Followers are cut when it is over and resume by their cursor, so waiting longer buys nothing. It must stay
# below the time that a supervisor leaves before SIGKILL.
graceful_timeout = 8
# The time for which the event loop may stand still, not that of a request: a heartbeat runs beside them.
timeout = 60
# Pages that poll, and clients that submit many jobs, keep their connection; a proxy in front does too.
keepalive = 5

# Each process builds its own Redis subscriber and database engine: nothing of that survives a fork.
preload_app = False
# A control socket in the home directory could be reached by others, and two servers would share it.
control_socket_disable = True

# stderr gets what somebody should read; the proxy in front logs requests, and ids only belong in logs.
accesslog = None
errorlog = "-"
loglevel = "warning"

# The heartbeat file is touched every second; on a slow disk that alone can stop the event loop.
_MEMORY = "/dev/shm"  # noqa: S108 - a mount point, and gunicorn makes its file there safely
worker_tmp_dir = _MEMORY if Path(_MEMORY).is_dir() and os.access(_MEMORY, os.W_OK) else None


def when_ready(server: Any) -> None:
    """Before the first worker: end with one line when a setting opens to others what they should not reach.

    Here and not in `penstock web`, because any command, or systemd's socket, may have named the address.
    """
    from jobs.dangerous_settings import refuse_dangerous  # noqa: PLC0415  (gunicorn is to read this file at once)
    from jobs.errors import PenstockError  # noqa: PLC0415
    from jobs.settings import Settings  # noqa: PLC0415
    from jobs.telemetry.logs import set_up_logging  # noqa: PLC0415

    sockets = (listener.sock for listener in server.LISTENERS)
    hosts = [one.getsockname()[0] for one in sockets if one.family != socket.AF_UNIX]
    try:
        settings = Settings.load()
        set_up_logging(settings.log_level, settings.log_format)
        refuse_dangerous(settings, hosts)
    except PenstockError as error:
        sys.exit(f"penstock web: {error}")


def post_worker_init(_worker: object) -> None:
    """After the fork and the imports: what lives until the end need not be looked at by every collection.

    Each connection is an open file, and the usual limit of 1024 is less than the connections that we take.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    sys.setswitchinterval(_SWITCH_SECONDS)
    gc.collect()
    gc.freeze()

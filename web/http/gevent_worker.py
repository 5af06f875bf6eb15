"""gunicorn's gevent worker, on whose connections a request has to come in time."""

from __future__ import annotations

import sys
from typing import Any

from gunicorn.arbiter import Arbiter
from gunicorn.workers.ggevent import GeventWorker

from jobs.errors import PenstockError
from jobs.settings import Settings
from web.http.connection import Connection, WaitingRequests
from web.http.native_locks import share_logging_with_threads

# Where create_app() leaves the settings for this worker, and what is to be told of its end.
SETTINGS = "penstock.settings"
TELEMETRY = "penstock.telemetry"


class Worker(GeventWorker):  # type: ignore[misc]
    """Reads every request under a deadline, and only so many half-sent ones of one client."""

    def load_wsgi(self) -> None:
        """The application, and with it the settings. What is wrong with them ends the server with one line."""
        from jobs.storage.versions.check import refuse_unmigrated  # noqa: PLC0415  (gunicorn's own process needs none)

        try:
            super().load_wsgi()
            settings: Settings = self.wsgi.extensions[SETTINGS]
            refuse_unmigrated(settings)
        except PenstockError as error:
            self.log.error("penstock web: %s", error)  # noqa: TRY400  (its line says all)
            sys.exit(Arbiter.WORKER_BOOT_ERROR)  # by which gunicorn knows that another try would end like this one
        share_logging_with_threads()
        self._proxies = settings.trusted_proxies
        self._waiting = WaitingRequests(settings.request_seconds, settings.waiting_requests)

    def run(self) -> None:
        """Serve until the end; what was counted since it was last told is not lost."""
        try:
            super().run()
        finally:
            self.wsgi.extensions[TELEMETRY].close()

    def handle(self, listener: Any, client: Any, addr: Any) -> None:
        """One connection, to its end."""
        address = "" if self._proxies else _host(addr)
        super().handle(listener, Connection(client, self._waiting, address), addr)

    def handle_request(self, listener_name: Any, req: Any, sock: Connection, addr: Any) -> None:
        """One request, of which the head has come."""
        sock.begin_body(self._forwarded(req.headers) if self._proxies else _host(addr))
        try:
            super().handle_request(listener_name, req, sock, addr)
        finally:
            sock.end_request()

    def _forwarded(self, headers: list[tuple[str, str]]) -> str:
        """The address that the outermost trusted proxy saw; empty when it did not say."""
        values = ",".join(value for name, value in headers if name == "X-FORWARDED-FOR").split(",")
        return values[-self._proxies].strip() if len(values) >= self._proxies else ""


def _host(address: Any) -> str:
    return address[0] if isinstance(address, tuple) else ""

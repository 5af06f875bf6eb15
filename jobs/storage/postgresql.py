"""PostgreSQL's connections, with limits of time for a link or a server that goes silent.

Slow to import: only who has such a database does it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL

T = TypeVar("T")
# Seconds that are left of the transaction's time; None when it may take as long as it takes.
TimeLeft = Callable[[], float | None]

# PostgreSQL ends what idles inside a transaction: a worker whose link went silent there would keep its locks for hours.
# It also looks whether somebody is still there at the other end; else those sessions count against its limit.
_SESSION_SETTINGS = {
    "idle_in_transaction_session_timeout": "10s",
    "lock_timeout": "10s",
    "statement_timeout": "30s",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    # All queries are small and find their rows in indexes that are in memory: to compile one, or to start processes for
    # it, takes longer than the query, and a table or an index read as a whole longer than what is looked up.
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    "random_page_cost": "1.1",
    "enable_mergejoin": "off",
    # Nor is the plan of a statement kept for other values: one for rare words reads a million jobs for a common one.
    "plan_cache_mode": "force_custom_plan",
}
# A dead link is noticed within about half a minute, also while an answer is awaited (tcp_user_timeout, in ms).
_CONNECT_ARGUMENTS = {
    "connect_timeout": 5,
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
# The driver's own: it waits for no connection any shorter.
_LEAST_CONNECT_SECONDS = 2
# However late it is: a connection that answers at once is not to be given up.
_LEAST_SECONDS = 0.3
# What PostgreSQL keeps of a session's name.
_NAME_BYTES = 63


def server_engine(url: URL, name: str, time_left: TimeLeft, seconds: float | None, pool: Mapping[str, Any]) -> Engine:
    """The engine for a URL, whose own settings win.

    `name` is what the server calls its sessions; `seconds` is the most that a statement may take on the server.
    """
    arguments = {**_CONNECT_ARGUMENTS, "application_name": name[:_NAME_BYTES]}
    arguments = {name: value for name, value in arguments.items() if name not in url.query}
    engine = create_engine(url, connect_args=arguments, pool_pre_ping=True, hide_parameters=True, **pool)
    if engine.driver == "psycopg":
        event.listen(engine, "do_connect", _connector(time_left))
    if "options" not in url.query:
        event.listen(engine, "connect", _preparer(seconds))
    return engine


class _Connection(psycopg.Connection[Any]):
    """Waits for an answer no longer than there is time left; then it is closed, since nobody knows what will come."""

    time_left: TimeLeft = staticmethod(lambda: None)

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        """What the driver calls for each answer of the server."""
        left = self.time_left()
        if left is None:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, max(left, _LEAST_SECONDS))
        except psycopg.OperationalError as error:
            if (self.time_left() or 0.0) > 0:
                raise
            self.close()
            raise psycopg.OperationalError("the server does not answer") from error


def _connector(time_left: TimeLeft) -> Callable[..., _Connection]:
    def connect(_dialect: object, _record: object, positional: list[Any], named: dict[str, Any]) -> _Connection:
        left = time_left()
        if left is not None:
            if left <= 0:
                raise psycopg.OperationalError("the server does not answer")
            most = float(named.get("connect_timeout", left))
            named = {**named, "connect_timeout": max(_LEAST_CONNECT_SECONDS, int(min(most, left)))}
        connection = _Connection.connect(*positional, **named)
        connection.time_left = time_left
        return connection

    return connect


def _preparer(seconds: float | None) -> Callable[[Any, object], None]:
    settings = _SESSION_SETTINGS if seconds is None else {**_SESSION_SETTINGS, "statement_timeout": f"{seconds:g}s"}
    words = "; ".join(f"SET {name} = '{value}'" for name, value in settings.items())

    def prepare(connection: Any, _record: object) -> None:
        # Not as start-up options: connection poolers refuse those.
        with connection.cursor() as cursor:
            cursor.execute(words)
        connection.commit()

    return prepare

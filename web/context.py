"""What a web process works with: built once, after the fork, and handed to every route."""

from __future__ import annotations

import os
import socket
from functools import partial

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from jobs.requests.prompt_folder import Prompts
from jobs.settings import Settings
from jobs.storage.access.api_keys import ApiKeys
from jobs.storage.access.sessions import Sessions
from jobs.storage.database import Database, DatabaseOptions
from jobs.storage.queue.held import PlanReviews
from jobs.storage.store import Store
from jobs.storage.waiters import WaiterRegistry
from jobs.transport.event_log import EventLog
from jobs.transport.queue import Queue
from jobs.transport.redis_check import refuse_unfit_redis
from jobs.transport.redis_client import redis_client
from web.http.native_threads import NativeThreads
from web.http.open_streams import OpenStreams
from web.http.sqlite_connection import ThreadedConnection
from web.limits.admission import admission
from web.live.excerpts import Excerpts
from web.live.live_pages import LivePages
from web.live.lru_cache import LruCache
from web.live.outlook import Outlook
from web.live.rendered_item import RenderedItem, weight
from web.model_choice import ModelChoice
from web.model_health import model_servers
from web.relay.follow import Relay
from web.relay.subscriber import Subscriber
from web.telemetry.web_telemetry import Telemetry
from web.waiters import Waiters
from web.wakeups import WakeupSender
from web.worker_health import WorkerHealth

_REDIS_SECONDS = 2.0
_CONNECTIONS = 16
# Of the rendered items of ended jobs.
_CACHE_BYTES = 16 << 20
# That render texts, and as many that parse bodies: long texts are not to keep new jobs waiting.
_THREADS = 4
# A client is told to come again rather than left waiting.
_DATABASE_SECONDS = 3.5
# Above the interval of the subscription's own pings, so that only a dead link is silent for so long.
_SUBSCRIPTION_SECONDS = 20.0


class WebContext:
    """The parts behind the routes."""

    def __init__(self, settings: Settings) -> None:
        """Builds the parts and starts their threads. Raises BadSetting."""
        self.settings = settings
        self.prompts = Prompts(settings.prompts)
        self.models, self.model_servers = ModelChoice(settings), model_servers(settings)
        self.database = Database(settings.database, _database_options(settings.connections))
        self.store, self.plan_reviews = Store(self.database), PlanReviews(self.database)
        self.keys, self.sessions = ApiKeys(self.database), Sessions(self.database)
        self.open_streams = OpenStreams()
        self.open_streams.start()
        self.redis = _redis(settings)
        self.telemetry = Telemetry(settings, self.redis, self.database.engine)
        self.log = EventLog(self.redis)
        subscriber = _subscriber(settings, self.log, self.store, self.telemetry)
        self.workers = WorkerHealth(self.database, settings.lease_seconds)
        self.heartbeats = [*subscriber.start(), self.workers.start()]
        self.relay = Relay(subscriber, self.log, self.store)
        self.admission = admission(self.database, self.redis, settings.owner_limits)
        self.outlook = Outlook(self.database, settings, self.admission.limits, self.workers, subscriber.seconds_away)
        self.rendering, self.parsing = NativeThreads(_THREADS), NativeThreads(_THREADS)
        self.live_pages = LivePages(self.relay, self.store, self.outlook)
        self.rendered_jobs, self.excerpts = _rendered_jobs(), Excerpts(self.store, self.rendering)
        self.wakeups = WakeupSender(Queue(settings, socket_seconds=3), self.log, most=settings.concurrency)
        self.wakeups.start()
        self.waiters = Waiters(WaiterRegistry(self.database), self.wakeups)
        self.heartbeats.append(self.waiters.start())


def _rendered_jobs() -> LruCache[list[RenderedItem]]:
    return LruCache(_CACHE_BYTES, weight)


def _subscriber(settings: Settings, log: EventLog, store: Store, telemetry: Telemetry) -> Subscriber:
    client = redis_client(settings.redis_url, settings.redis_ca, protocol=2, socket_timeout=_SUBSCRIPTION_SECONDS)
    subscriber = Subscriber(client, log, store, telemetry.metrics.relay_lag.observe)
    telemetry.watch_sockets(subscriber.slow_viewers)
    return subscriber


def _database_options(connections: int) -> DatabaseOptions:
    # As many threads as connections, so that only those are waited for.
    sqlite_connection = partial(ThreadedConnection, NativeThreads(connections))
    name = f"penstock web {socket.gethostname()}-{os.getpid()}"
    return DatabaseOptions(name, connections, _DATABASE_SECONDS, sqlite_connection)


def _redis(settings: Settings) -> redis.Redis:
    refuse_unfit_redis(settings)
    # Of bounded size: when all viewers have to look at their logs at once, each would open a connection for good.
    return redis_client(
        settings.redis_url,
        settings.redis_ca,
        blocking=True,
        max_connections=_CONNECTIONS,
        timeout=_REDIS_SECONDS,
        socket_timeout=_REDIS_SECONDS,
        socket_connect_timeout=_REDIS_SECONDS,
        # A pooled connection that has gone stale is worth a second try; a server that is silent is not.
        retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
    )

"""What a web process works with: built once, after the fork, and handed to every route."""

from __future__ import annotations

from dataclasses import dataclass

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from jobs.database import Database
from jobs.event_log import EventLog
from jobs.keys import Keys
from jobs.prompts import Prompts
from jobs.queue import Queue
from jobs.settings import Settings
from jobs.store import Store
from web.model_choice import ModelChoice
from web.outbox import Outbox
from web.relay import Relay
from web.subscriber import Subscriber

_REDIS_SECONDS = 2.0
# Above the interval of the subscription's own pings, so that only a dead link is silent for so long.
_SUBSCRIPTION_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Site:
    """The parts behind the routes."""

    settings: Settings
    database: Database
    store: Store
    keys: Keys
    log: EventLog
    redis: redis.Redis
    relay: Relay
    outbox: Outbox
    prompts: Prompts
    models: ModelChoice


def build_site(settings: Settings) -> Site:
    """Build the parts and start their threads. Raises BadSetting."""
    database = Database(settings.database)
    store, url = Store(database), settings.redis_url
    client = redis.Redis.from_url(
        url,
        socket_timeout=_REDIS_SECONDS,
        socket_connect_timeout=_REDIS_SECONDS,
        retry=Retry(NoBackoff(), 1),  # a pooled connection that has gone stale; more would keep people waiting
    )
    log = EventLog(client)
    listening = redis.Redis.from_url(url, protocol=2, socket_timeout=_SUBSCRIPTION_SECONDS)
    subscriber = Subscriber(listening, log, store)
    outbox = Outbox(Queue(settings, socket_seconds=3), log, store)
    subscriber.start()
    outbox.start()
    return Site(
        settings=settings,
        database=database,
        store=store,
        keys=Keys(database),
        log=log,
        redis=client,
        relay=Relay(subscriber, log, store),
        outbox=outbox,
        prompts=Prompts(settings.prompts),
        models=ModelChoice(settings),
    )

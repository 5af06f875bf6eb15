"""What a worker process works with: built once at its start, and handed to everything that it runs."""

from __future__ import annotations

import os
import socket

from redis.backoff import ExponentialWithJitterBackoff
from redis.retry import Retry

from jobs.settings import Settings
from jobs.storage.access.owner_limits import LimitRegistry
from jobs.storage.attempts import AttemptStore
from jobs.storage.database import Database, DatabaseOptions
from jobs.storage.queue.held import PlanReviews
from jobs.storage.store import Store
from jobs.storage.waiters import WaiterRegistry
from jobs.storage.webhooks.deliveries import WebhookDeliveries
from jobs.storage.workers import WorkerRegistry
from jobs.transport.event_log import EventLog
from jobs.transport.queue import Queue
from jobs.transport.redis_client import redis_client
from worker.batches.batch_keeper import BatchKeeper
from worker.model.chat_model import Models
from worker.publishing.publisher import Publisher
from worker.running_jobs import RunningJobs
from worker.schedules.schedule_keeper import ScheduleKeeper
from worker.telemetry import Telemetry
from worker.webhooks.sender import WebhookSender

_REDIS_SECONDS = 5.0
# What is given up after it is begun again, on another connection.
_DATABASE_SECONDS = 10.0
# The column for the whole id has 64.
_HOST_CHARACTERS = 40


class WorkerContext:
    """The parts behind a generation. `worker` is this process's id among all workers."""

    def __init__(self, settings: Settings, queue: Queue) -> None:
        """Builds the parts; nothing runs yet. Raises BadSetting."""
        host = socket.gethostname()[:_HOST_CHARACTERS]
        self.worker = settings.worker_id or f"{host}-{os.getpid()}-{os.urandom(4).hex()}"
        options = DatabaseOptions(f"penstock worker {self.worker}", settings.connections, _DATABASE_SECONDS)
        database = Database(settings.database, options)
        self.settings = settings
        self.queue = queue
        self.redis = redis_client(
            settings.redis_url,
            settings.redis_ca,
            socket_timeout=_REDIS_SECONDS,
            socket_connect_timeout=_REDIS_SECONDS,
            health_check_interval=15,
            retry=Retry(ExponentialWithJitterBackoff(cap=1, base=0.05), 1),  # every call of ours may be repeated
        )
        self.telemetry = Telemetry(settings, self.worker, self.redis, database.engine)
        self.worker_registry = WorkerRegistry(database)
        self.waiter_registry = WaiterRegistry(database)
        self.attempts = AttemptStore(database, settings.tiers)
        self.owner_limits = LimitRegistry(database, settings.owner_limits)
        self.store = Store(database)
        self.plan_reviews = PlanReviews(database)
        self.log = EventLog(self.redis)
        self.models = Models(settings)
        self.publisher = Publisher(self.log, self.telemetry.metrics.publish_lag.observe)
        self.running = RunningJobs()
        self.batches = BatchKeeper(database, settings, self.owner_limits)
        self.schedules = ScheduleKeeper(database, settings, self.owner_limits)
        deliveries = WebhookDeliveries(database)
        self.webhooks = WebhookSender(deliveries, allow_private=settings.webhook_allow_private)

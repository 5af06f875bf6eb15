"""The Celery queue. A message is only a wake-up: it carries a job's id and nothing else."""

from __future__ import annotations

from celery import Celery

from jobs.settings import Settings

GENERATE = "penstock.generate"
_QUEUE = "penstock"


def celery_app(settings: Settings, *, socket_seconds: float = 10) -> Celery:
    """The Celery application, for those who send (with a short `socket_seconds`) and those who work.

    Early acknowledgement, no prefetch, no results, no remote control: with late acknowledgement one cut
    connection runs a long task twice, and a lost Redis ends the worker. Who owns a job is settled in the
    database.
    """
    app = Celery("penstock", broker=_broker(settings.redis_url), set_as_current=False)
    app.conf.update(
        task_default_queue=_QUEUE,
        task_acks_late=False,
        worker_disable_prefetch=True,
        worker_prefetch_multiplier=1,
        task_ignore_result=True,
        task_serializer="json",
        accept_content=["json"],
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={
            "visibility_timeout": 7200,
            "socket_timeout": socket_seconds,
            "socket_connect_timeout": min(5, socket_seconds),
            "socket_keepalive": True,
            "health_check_interval": 25,
            "global_keyprefix": "penstock:celery:",
        },
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        task_publish_retry=False,
    )
    return app


def wake(app: Celery, job_id: str) -> None:
    """Tell the workers that a job waits. Raises kombu's OperationalError when Redis does not take it."""
    app.send_task(GENERATE, args=[job_id])  # invariant 10


def _broker(redis_url: str) -> str:
    """Celery's spelling of a Redis URL; a unix socket has another scheme there."""
    return redis_url.replace("unix://", "redis+socket://", 1)

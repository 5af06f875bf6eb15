"""What several processes count becomes one sum, whatever is lost on the way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import redis
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import CollectorRegistry

from jobs.telemetry.failures import count_redis_failures
from jobs.telemetry.metrics import Metrics
from jobs.telemetry.totals import KEY, Pusher, read_totals
from tests.support.redis_server import RedisServer


@pytest.fixture
def client(redis_server: RedisServer) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_server.url) as connected:
        connected.delete(KEY)
        yield connected


class Process:
    """One that counts."""

    def __init__(self, client: redis.Redis, name: str) -> None:
        self.metrics = Metrics("worker")
        self.pusher = Pusher(client, self.metrics.registry, name)


def value(client: redis.Redis, name: str, **labels: str) -> float:
    return read_totals(client).sums[name, tuple(sorted(labels.items()))]


def test_processes_add_up_and_outlive_themselves(client: redis.Redis) -> None:
    first, second = Process(client, "a"), Process(client, "b")
    first.metrics.rescues.inc(2)
    first.metrics.model_calls.set(3)
    second.metrics.rescues.inc()
    second.metrics.model_calls.set(4)
    first.pusher.push()
    second.pusher.push()
    assert value(client, "penstock_rescues_total") == 3
    assert value(client, "penstock_model_calls") == 7
    first.pusher.close()
    assert value(client, "penstock_rescues_total") == 3
    assert value(client, "penstock_model_calls") == 4
    successor = Process(client, "c")
    successor.metrics.rescues.inc()
    successor.pusher.push()
    assert value(client, "penstock_rescues_total") == 4


def test_a_push_whose_answer_is_lost_counts_once(client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    process = Process(client, "a")
    script = process.pusher._script

    def unheard(**arguments: Any) -> None:
        script(**arguments)
        raise redis.ConnectionError

    process.metrics.rescues.inc(5)
    with monkeypatch.context() as patch:
        patch.setattr(process.pusher, "_script", unheard)
        with pytest.raises(redis.ConnectionError):
            process.pusher.push()
    process.metrics.rescues.inc()
    process.pusher.push()  # the same once more
    assert value(client, "penstock_rescues_total") == 5
    process.pusher.push()
    assert value(client, "penstock_rescues_total") == 6


def test_an_emptied_redis_begins_at_zero(client: redis.Redis) -> None:
    process = Process(client, "a")
    process.metrics.rescues.inc(5)
    process.pusher.push()
    client.flushall()
    process.metrics.rescues.inc()
    process.pusher.push()
    assert value(client, "penstock_rescues_total") == 1


def test_a_silent_process_has_no_gauges(client: redis.Redis) -> None:
    process = Process(client, "a")
    process.metrics.model_calls.set(3)
    process.metrics.rescues.inc()
    process.pusher.push()
    entry: Any = client.hget(KEY, "process a")
    number, pushed_at, gauges = entry.split(b" ", 2)
    client.hset(KEY, "process a", b"%b %d %b" % (number, int(pushed_at) - 60, gauges))
    totals = read_totals(client).sums
    assert ("penstock_model_calls", ()) not in totals
    assert totals["penstock_rescues_total", ()] == 1
    client.hset(KEY, "process a", b"%b %d %b" % (number, int(pushed_at) - 7200, gauges))
    read_totals(client)
    assert not client.hexists(KEY, "process a")


def test_histograms_keep_their_buckets_in_order(client: redis.Redis) -> None:
    for name, seconds in (("a", 0.3), ("b", 40.0)):
        process = Process(client, name)
        process.metrics.first_token.observe(seconds)
        process.pusher.push()

    class Totals:
        def collect(self) -> Any:
            return read_totals(client).filled(Metrics("web").registry)

    registry = CollectorRegistry()
    registry.register(Totals())
    families = {one.name: one for one in text_string_to_metric_families(generate_latest(registry).decode())}
    samples = families["penstock_first_token_seconds"].samples
    buckets = [(float(one.labels["le"]), one.value) for one in samples if one.name.endswith("_bucket")]
    assert buckets == sorted(buckets)
    assert dict(buckets)[0.5] == 1
    assert dict(buckets)[float("inf")] == 2
    assert families["penstock_rescues"].samples[0].value == 0


def test_a_provider_adds_no_label() -> None:
    metrics = Metrics("worker")
    metrics.job_ended(
        {"status": "failed", "error": {"code": "whatever it says"}, "incomplete_details": None}
        | {"usage": None, "penstock": {}}
    )
    assert metrics.registry.get_sample_value("penstock_jobs_ended_total", {"status": "failed", "reason": "other"}) == 1


def test_failed_calls_are_counted_on_every_connection() -> None:
    errors: list[Exception] = []
    client: Any = redis.Redis.from_url("redis://127.0.0.1:1", retry=None)
    count_redis_failures(client, errors.append)
    for call in (client.ping, lambda: client.pipeline().ping().execute()):
        errors.clear()
        with pytest.raises(redis.ConnectionError):
            call()
        assert errors

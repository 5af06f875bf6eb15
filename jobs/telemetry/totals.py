"""The sums over all processes, on whatever machine: a hash in Redis, to which each adds what it has counted.

So counters go on when a process ends, and whoever is asked for metrics says the same. They start again at zero with a
Redis that was emptied, which is what Prometheus expects of a counter; what was counted while Redis was away is added
later. A process that is killed takes what it counted in its last seconds with it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import redis
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric

from jobs.background import repeat

KEY = "penstock:metrics"
PUSH_SECONDS = 2.0
# Of a process that has not pushed for so long, the gauges are not counted, and later not kept.
_LIVE_SECONDS = 15
_KEPT_SECONDS = 3600
_PROCESS = b"process "

_SCRIPT = Path(__file__).with_name("push.lua").read_text(encoding="utf-8")


class Totals(NamedTuple):
    """Sums by (name of the sample, its labels in the order of their names)."""

    sums: Mapping[tuple[str, tuple[tuple[str, str], ...]], float]

    def filled(self, registry: CollectorRegistry) -> Iterator[Metric]:
        """The metrics that a registry knows, with these sums in place of its own values."""
        for known in registry.collect():
            metric = Metric(known.name, known.documentation, known.type)
            for (name, labels), value in sorted(self.sums.items(), key=_in_order):
                if name in _names(known):
                    metric.add_sample(name, dict(labels), value)
            yield metric


def _names(metric: Metric) -> tuple[str, ...]:
    suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum")}.get(metric.type, ("",))
    return tuple(f"{metric.name}{suffix}" for suffix in suffixes)


def _in_order(entry: tuple[tuple[str, tuple[tuple[str, str], ...]], float]) -> Any:
    (name, labels), _ = entry
    bounds = dict(labels)
    bound = float(bounds.pop("le", "0"))
    return name, sorted(bounds.items()), bound


class Pusher:
    """Adds what one process counts to the totals."""

    def __init__(self, client: redis.Redis, registry: CollectorRegistry, process: str) -> None:
        """`process` is an id of its own among all processes, also those of before."""
        self._redis = client
        self._registry = registry
        self._process = process
        self._script = client.register_script(_SCRIPT)
        self._lock = threading.Lock()
        self._number = 0
        self._pushed: dict[str, float] = {}
        # What is on its way: the same again until Redis has answered, because it may have been added already.
        self._unanswered: list[Any] | None = None

    def start(self) -> None:
        """Begin to push."""
        repeat("metrics", self._step, pause=PUSH_SECONDS)

    def push(self) -> None:
        """Add what was counted since the last time. Raises RedisError; nothing is lost by that."""
        with self._lock:
            self._push_changes()

    def _push_changes(self) -> None:
        counts, gauges = self._samples()
        if self._unanswered is None:
            self._number += 1
            changed = {field: value for field, value in counts.items() if self._pushed.get(field) != value}
            steps = ((field, repr(value - self._pushed.get(field, 0.0))) for field, value in changed.items())
            self._unanswered = [part for step in steps for part in step]
            self._pushed |= changed
        arguments = [self._process, self._number, orjson.dumps(gauges), *self._unanswered]
        self._script(keys=[KEY], args=arguments)
        self._unanswered = None

    def close(self) -> None:
        """Add the last, and leave no gauges behind. Raises RedisError."""
        self.push()
        self._redis.hdel(KEY, (_PROCESS + self._process.encode()).decode())

    def _step(self) -> None:
        time.sleep(PUSH_SECONDS)
        self.push()

    def _samples(self) -> tuple[dict[str, float], dict[str, float]]:
        """What counters and histograms hold, and what gauges do, by field."""
        counts: dict[str, float] = {}
        gauges: dict[str, float] = {}
        for metric in self._registry.collect():
            kept = gauges if metric.type == "gauge" else counts
            names = _names(metric)
            kept.update({_field(one.name, one.labels): one.value for one in metric.samples if one.name in names})
        return counts, gauges


def read_totals(client: redis.Redis) -> Totals:
    """The totals as they stand; of gauges, the sum over the processes that live. Raises RedisError."""
    reading: Any = client.pipeline(transaction=False)
    reading.hgetall(KEY)
    reading.time()
    entries, (now, _) = reading.execute()
    sums: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
    gone = []
    for field, value in entries.items():
        if not field.startswith(_PROCESS):
            sums[_key(field)] = float(value)
            continue
        _, pushed_at, gauges = value.split(b" ", 2)
        if now - int(pushed_at) > _KEPT_SECONDS:
            gone.append(field)
        if now - int(pushed_at) > _LIVE_SECONDS:
            continue
        for name, number in orjson.loads(gauges).items():
            sums[_key(name)] = sums.get(_key(name), 0.0) + number
    if gone:
        client.hdel(KEY, *gone)
    return Totals(sums)


def _field(name: str, labels: Mapping[str, str]) -> str:
    return orjson.dumps([name, sorted(labels.items())]).decode()


def _key(field: bytes | str) -> tuple[str, tuple[tuple[str, str], ...]]:
    name, labels = orjson.loads(field)
    return name, tuple((label, value) for label, value in labels)

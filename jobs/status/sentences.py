"""The sentences, by code. Of several the first is taken for which all values are known; the last one needs none.

The code is the contract with programs, the English text the key of its translation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from string import Formatter
from typing import Any

from jobs.status.translation import Translation, duration, rough_duration

_WAITING: Mapping[str, Sequence[str]] = {
    "no_worker": ("No worker runs: start one with `penstock worker`.",),
    "worker_frozen": (
        "No worker has given a sign of life for {silent}: look at its log, or start another with `penstock worker`.",
        "No worker gives a sign of life: look at its log, or start another with `penstock worker`.",
    ),
    "queue_paused": (
        "The queue {queue} is paused: it goes on when an operator resumes it on the system page.",
        "The queue is paused: it goes on when an operator resumes it on the system page.",
    ),
    "model_busy": (
        "{model} may run one job at a time: this one begins when that one has ended.|"
        "{model} may run {n} jobs at a time: this one begins when one of them has ended.",
        "The model runs as many jobs as it may: this one begins when one of them has ended.",
    ),
    "owner_busy": (
        "You may have one job running: this one begins when that one has ended.|"
        "You may have {n} jobs running: this one begins when one of them has ended.",
        "You have as many jobs running as you may: this one begins when one of them has ended.",
    ),
    "in_queue": (
        "Number {place} of {total} in the queue, begins in about {eta_rough}.",
        "Number {place} of {total} in the queue.",
        "Number {place} in the queue, begins in about {eta_rough}.",
        "Number {place} in the queue.",
        "In the queue.",
    ),
    "in_long_queue": ("More than {before} jobs are before it in the queue.", "Many jobs are before it in the queue."),
    "stopping": ("It is being stopped: what is written is kept.",),
    "rate_limited": (
        "The model server limits the rate: next try in {wait}, {try_number} of {tries}.",
        "The model server limits the rate: next try in {wait}, number {try_number}.",
        "The model server limits the rate: it is asked again soon.",
    ),
    "model_away": (
        "The model server does not answer: next try in {wait}, {try_number} of {tries}.",
        "The model server does not answer: next try in {wait}, number {try_number}.",
        "The model server does not answer: it is asked again soon.",
    ),
    "asked_again": (
        "The model's answer failed: next try in {wait}, {try_number} of {tries}.",
        "The model's answer failed: next try in {wait}, number {try_number}.",
        "The model's answer failed: it is asked again soon.",
    ),
    "redis_away": (
        "Redis has not been reached for {silent}: what is written is kept, and shown when Redis is back.",
        "Redis cannot be reached: what is written is kept, and shown when it is back.",
    ),
    "plan_waits": ("The plan waits for you: read it, change it, and have it written.",),
    "in_progress": ("It is being written.",),
}

_ENDED: Mapping[str, Sequence[str]] = {
    "completed": ("It is completed.",),
    "only_reasoning": ("The model only reasoned, and gave no answer: retry it, or allow more output tokens.",),
    "no_answer": ("The model gave no answer: retry it, or put the request in other words.",),
    "refused": ("The model refused to answer: put the request in other words.",),
    "max_output_tokens": (
        "Cut off at the limit of {limit} tokens: run it again with more output tokens.",
        "Cut off at the model's limit of length: run it again with more output tokens, or ask for less.",
    ),
    "content_filter": ("Cut off by the provider's content filter: put the request in other words.",),
    "stopped": ("Stopped as asked: what was written is kept.",),
    "plan_expired": ("Nobody agreed on the plan in time: retry it, and the plan waits again.",),
    "section_failed": (
        "{failed} of {total} sections failed: Retry writes only what is missing.",
        "Sections failed: Retry writes only what is missing.",
    ),
    "cancelled": ("What was written is kept.",),
}

_FAILED: Mapping[str, Sequence[str]] = {
    "key_refused": (
        "The model server {server} refuses the key: set {variable}, start the workers again, then retry.",
        "The model server {server} refuses the key: give it another, start the workers again, then retry.",
        "The model server refuses the key: give it another, start the workers again, then retry.",
    ),
    "model_not_found": (
        "The model server {server} has no model {model}; it has: {models}.",
        "The model server {server} has no model {model}: name another, or correct the server's address.",
        "The model server has no such model: name another.",
    ),
    "context_too_long": (
        "The request is too long for {model}: shorten it, or name a model with a longer context.",
        "The request is too long for the model: shorten it, or name a model with a longer context.",
    ),
    "connection_refused": (
        "The model server {server} refuses connections: start it, or correct its address, then retry.",
        "The model server refuses connections: start it, or correct its address, then retry.",
    ),
    "connection_failed": (
        "The connection to the model server {server} failed: look at its address and the network, then retry.",
        "The connection to the model server failed: look at its address and the network, then retry.",
    ),
    "timed_out": (
        "The model server {server} did not answer in time: retry it, or allow more time in the settings.",
        "The model server did not answer in time: retry it, or allow more time in the settings.",
    ),
    "rate_limit_exceeded": (
        "The model server {server} limits the rate, and waiting did not help: retry it later.",
        "The model server limits the rate, and waiting did not help: retry it later.",
    ),
    "no_credit": (
        "The account at the model server {server} has no credit left: top it up, then retry.",
        "The account at the model server has no credit left: top it up, then retry.",
    ),
    "request_refused": (
        "The model server {server} refuses the request: change what its words object to.",
        "The model server refuses the request: change what its words object to.",
    ),
    "server_fault": (
        "The model server {server} failed: retry it later, or name another model.",
        "The model server failed: retry it later, or name another model.",
    ),
    "answer_broken": ("The model's answer broke off: retry it.",),
    "format_not_met": ("The answer has not the format that was asked for: retry it, or name another model.",),
    "no_outline": ("The model gave no outline that can be used: retry it, or name another model.",),
    "chain_failed": ("The chain of the prompt failed: mend it, then retry.",),
    "tool_wanted": ("The model asked for a tool that it was not offered, or named none.",),
    "workers_lost": ("The workers that wrote it died: look at their logs, then retry.",),
    "internal_error": ("Penstock itself failed: the workers' logs say where.",),
    # Of jobs that ended before there were these codes.
    "server_error": ("What was said tells why.",),
}

SENTENCES: Mapping[str, Sequence[str]] = {**_WAITING, **_ENDED, **_FAILED}


def fill(alternatives: Sequence[str], values: Mapping[str, Any], _: Translation) -> str:
    """The first text of which all places have a value; `{wait}` is filled in with `wait_seconds`, as a duration."""
    shown = {name: ", ".join(map(str, value)) if isinstance(value, list) else value for name, value in values.items()}
    for name, value in values.items():
        if name.endswith("_seconds"):
            shown[name.removesuffix("_seconds")] = duration(value, _)
            shown[f"{name.removesuffix('_seconds')}_rough"] = rough_duration(value, _)
    text = next((text for text in alternatives if places(text) <= shown.keys()), alternatives[-1])
    return _(text, **{name: shown[name] for name in places(text)})


def places(text: str) -> set[str]:
    """The names that a text is filled in with."""
    return {name for _text, name, _spec, _kind in Formatter().parse(text) if name}

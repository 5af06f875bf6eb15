"""How `penstock list` shows jobs: a line each, cut to the terminal; in full where another program reads it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.cells import cell_len, set_cell_size

from cli.client.output import one_line
from cli.client.server import Job
from jobs.filing import filing_of
from jobs.status.ended import details_of
from jobs.status.translation import rough_duration

# None of them is two columns wide in a Chinese or Japanese terminal.
_GLYPHS = {"queued": ".", "in_progress": "▸", "completed": "✓", "failed": "✗", "cancelled": "-", "incomplete": "~"}
_UNITS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
_SHORTEST_ID = len("resp_") + 8
_AGE_WIDTH = 6
_LEAST_TITLE = 24
_WIDE = 110  # columns from which the whole id and the status in words have room


def record(job: Job) -> str:
    """A job as a line for another program: id, status, time, and the title it was given, else what was asked for."""
    created = datetime.fromtimestamp(job["created_at"]).astimezone()
    about = one_line(filing_of(job.get("metadata") or {}).title) or _request(job)
    return f"{job['id']}  {job['status']:<11}  {created:%Y-%m-%d %H:%M}  {about}"


def lines(jobs: Sequence[Job], columns: int, now: float) -> Iterator[str]:
    """The jobs as lines for a person: none is wider than `columns`. `now` is in seconds since the epoch.

    A status is a sign, and an id as long as it must be to name one of these jobs; a wide terminal has room for both.
    What there is to say of a status stands behind the title where that leaves room, of a place in the queue always.
    Where the words of a search stand is a line of its own.
    """
    shown = 99 if columns >= _WIDE else _distinct_length([job["id"] for job in jobs])
    for job in jobs:
        status = f"{_GLYPHS[job['status']]} {job['status']:<11} " if columns >= _WIDE else f"{_GLYPHS[job['status']]} "
        end = f"  {_age(now - job['created_at']):>{_AGE_WIDTH}}  {job['id'][:shown]}"
        room = max(columns - len(status) - len(end), 1)
        said = _said(job, room)
        yield f"{status}{_cut(_title(job), room - cell_len(said))}{said}{end}"[:columns]
        if passage := job["penstock"].get("excerpt"):
            yield _cut(f"  {one_line(passage)}", columns).rstrip()


def _said(job: Job, room: int) -> str:
    """What is said of a job's status in so many columns, of which the title needs some."""
    details = details_of(job)
    if details.is_plain_in_lists:
        return ""
    place = _place(details.values) if details.code == "in_queue" else ""
    for said in (one_line(details.sentence()), place):
        if said and cell_len(said) + 2 + _LEAST_TITLE <= room:
            return f"  {said}"
    return ""


def _place(values: Mapping[str, Any]) -> str:
    place = f"{values['place']:,}" + (f" of {values['total']:,}" if "total" in values else "")
    return place + (f", about {rough_duration(values['eta_seconds'])}" if "eta_seconds" in values else "")


def _request(job: Job) -> str:
    prompt = job.get("prompt") or {}
    variables = (prompt.get("variables") or {}).items()
    return (
        one_line(f"{prompt['id']} " + " ".join(f"{name}={value}" for name, value in variables if value != ""))
        if prompt
        else job["model"]
    )


def _title(job: Job) -> str:
    filing = filing_of(job.get("metadata") or {})
    labels = "".join(f" [{label}]" for label in filing.labels)
    return one_line(f"{'* ' * filing.starred}{filing.title or _own_title(job)}{labels}")


def _own_title(job: Job) -> str:
    prompt = job.get("prompt") or {}
    topic = (prompt.get("variables") or {}).get("topic")
    return one_line(f"{prompt['id']}: {topic}") if topic else _request(job)


def _cut(text: str, columns: int) -> str:
    """The text in exactly so many columns."""
    if cell_len(text) <= columns:
        return set_cell_size(text, columns)
    return set_cell_size(f"{set_cell_size(text, columns - 1).rstrip()}…", columns)


def _age(seconds: float) -> str:
    unit, size = next(((unit, size) for unit, size in _UNITS if seconds >= size), ("s", 1))
    return f"{max(seconds, 0) // size:.0f} {unit}"


def _distinct_length(ids: Sequence[str]) -> int:
    """How many characters of these ids tell each of them from all others."""
    longest = max(map(len, ids), default=0)
    return next((n for n in range(_SHORTEST_ID, longest) if len({each[:n] for each in ids}) == len(ids)), longest)

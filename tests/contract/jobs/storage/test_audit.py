"""What `db check` finds though log and row agree: text that is there twice, deltas that are not the text."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from jobs.job import Status
from jobs.protocol import events, response
from jobs.protocol.fold import fold, text_of
from jobs.protocol.transcript import TranscriptWriter
from jobs.storage.attempts import Note
from jobs.storage.audit import audit
from tests.support.job_factory import JobFactory, sqlite


def message(index: int, text: str, *, delta: str | None = None, replaces: str | None = None) -> list[tuple[str, Any]]:
    """The events of one written item of section 0."""
    place = {"section": 0} | ({"replaces": replaces} if replaces else {})
    item = {"id": f"msg_{index}", "type": "message", "role": "assistant", "content": [], "penstock": place}
    part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
    at = {"item_id": item["id"], "output_index": index, "content_index": 0}
    done = {**item, "status": "completed", "content": [{**part, "text": text}]}
    return [
        (events.ITEM_ADDED, {"output_index": index, "item": {**item, "status": "in_progress"}}),
        (events.PART_ADDED, {**at, "part": part}),
        (events.TEXT_DELTA, {**at, "delta": text if delta is None else delta}),
        (events.TEXT_DONE, {**at, "text": text}),
        (events.PART_DONE, {**at, "part": {**part, "text": text}}),
        (events.ITEM_DONE, {"output_index": index, "item": done}),
    ]


def differences(rows: JobFactory, written: Sequence[tuple[str, Any]]) -> list[str]:
    """What the audit says of a job whose log and row agree on these events."""
    claim = rows.claim()
    frames = events.split(claim.job.initial_frames)
    frames += [events.frame(kind, number, fields) for number, (kind, fields) in enumerate(written, 2)]
    base = fold(events.events_of(frames))
    final = response.ended(base, Status.COMPLETED, now=time.time(), text=text_of(base))
    transcript = TranscriptWriter()
    transcript.add(b"".join(frames))
    last = events.frame(events.COMPLETED, len(frames), {"response": final})
    rows.attempts.finish(Note(claim, "{}", None), final, transcript.closed(last))
    return dict(audit(rows.database))[claim.job.id]


@pytest.mark.parametrize(
    ("written", "found"),
    [
        (message(0, "once"), []),
        ([*message(0, "half"), *message(1, "whole", replaces="msg_0")], []),
        ([*message(0, "half"), *message(1, "whole")], ["section 0 is there 2 times"]),
        (message(0, "whole", delta="who"), ["the deltas of item msg_0 are not its text"]),
    ],
)
def test_each_section_is_there_once_and_as_a_viewer_saw_it(
    tmp_path: Path, written: Sequence[tuple[str, Any]], found: list[str]
) -> None:
    rows = JobFactory(sqlite(tmp_path))
    assert differences(rows, written) == found
    rows.database.engine.dispose()

"""What a row tells of how far its job is."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from jobs.job import ListedJob, Status

EMPTY: dict[str, Any] = dict.fromkeys(field.name for field in fields(ListedJob))


@pytest.mark.parametrize(
    ("done", "total", "words", "target", "share"),
    [
        (0, 9, 500, 2000, 0.25),  # before the first section is whole
        (8, 9, 2500, 2000, 1.0),
        (2, 8, 500, None, 0.25),
        (0, 1, 500, None, None),
    ],
)
def test_the_share_follows_the_words(
    done: int, total: int, words: int, target: int | None, share: float | None
) -> None:
    progress = {"done": done, "total": total, "words": words}
    job = ListedJob(**{**EMPTY, "status": Status.IN_PROGRESS, "progress": progress, "target_words": target})
    assert job.share == share

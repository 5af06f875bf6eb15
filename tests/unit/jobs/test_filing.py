"""What metadata says of how a job is filed, and how it is changed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.filing import Filing, filed, filing_of, labels_in

TEXTS = st.text(max_size=300)


@pytest.mark.parametrize(
    ("metadata", "filing"),
    [
        ({}, Filing()),
        (
            {"title": "  A  title ", "starred": "true", "labels": "b, a,b ,, c d"},
            Filing("A title", True, ("b", "a", "c d")),
        ),
        ({"title": "x" * 100, "starred": "yes", "labels": "甲，乙、丙"}, Filing("x" * 80, False, ("甲", "乙", "丙"))),
        ({"labels": "x" * 100}, Filing("", False, ("x" * 64,))),
    ],
)
def test_metadata_says_how_a_job_is_filed(metadata: dict[str, str], filing: Filing) -> None:
    assert filing_of(metadata) == filing


@given(metadata=st.dictionaries(st.sampled_from(["title", "starred", "labels", "k"]), TEXTS))
def test_what_is_filed_is_read_again_and_leaves_the_rest(metadata: dict[str, str]) -> None:
    filing = filing_of(metadata)
    changed = filed(metadata, filing)
    assert filing_of(changed) == filing
    assert changed.get("k") == metadata.get("k")
    assert "" not in [changed.get(name) for name in ("title", "starred", "labels")]


@given(TEXTS)
def test_labels_are_short_and_distinct(text: str) -> None:
    labels = labels_in(text)
    assert len(set(labels)) == len(labels)
    assert all(1 <= len(label) <= 64 for label in labels)

"""CSV files as they are found in the world: each fault is named with its line, before anything is sent."""

from __future__ import annotations

import io

import pytest

from cli.client.rows import Row, read_rows
from cli.exit_codes import CommandError


def rows(content: bytes) -> list[Row]:
    file = io.BytesIO(content)
    file.name = "topics.csv"
    return read_rows(file)


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "bom"])
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["unix", "windows"])
def test_rows_come_with_their_names_and_their_places(mark: bytes, end: str) -> None:
    lines = ["topic,words", "翠花,100", '"a ""tea"", a\nstory",200', "last,"]
    assert rows(mark + end.join(lines).encode()) == [
        ("topics.csv, line 2", {"topic": "翠花", "words": "100"}),
        ("topics.csv, line 3", {"topic": 'a "tea", a\nstory', "words": "200"}),
        ("topics.csv, line 5", {"topic": "last", "words": ""}),
    ]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "topics.csv has no rows"),
        (b"topic,words\n", "topics.csv has no rows"),
        (b"topic,topic\na,b\n", "topics.csv, line 1: a column has no name, or that of another"),
        (b"topic,\na,b\n", "topics.csv, line 1: a column has no name"),
        (b"topic,words\na,1\nb\n", "topics.csv, line 3 has 1 columns, not 2"),
        (b"topic,words\na,1\nb,c,2\n", "topics.csv, line 3 has 3 columns, not 2: quote a text that has a comma"),
        (b"topic,words\na,1\n\nb,2\n", "topics.csv, line 3 is empty: remove it"),
        (b"topic,words\na,1\n , \n", "topics.csv, line 3 is empty"),
        (b"topic,words\n\xb4\xe4\xbb\xa8,1\n", "topics.csv, line 2 is not UTF-8"),
        (b'topic\na\n"b\nc\n', "topics.csv, line 3: unexpected end of data"),
    ],
)
def test_a_fault_is_named_with_its_line(content: bytes, words: str) -> None:
    with pytest.raises(CommandError, match=words) as stopped:
        rows(content)
    assert stopped.value.code == 2
    assert "\n" not in str(stopped.value)

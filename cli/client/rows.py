"""The rows of a CSV file as variables of a prompt: all have been checked before the first is used."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import BinaryIO

from cli.exit_codes import CommandError

Row = tuple[str, dict[str, str]]


def read_rows(file: BinaryIO) -> list[Row]:
    """Each row below the header: file and line where it begins, and its cells by the header's names.

    The file is UTF-8, with or without a mark that says so. Raises CommandError that names the line at fault.
    """
    lines = [(f"{file.name}, line {line}", cells) for line, cells in _lines(file)]
    if len(lines) < 2:
        raise CommandError(
            f"{file.name} has no rows: write the variables' names on line 1, and a job on each line below"
        )
    (place, header), *rows = lines
    if not all(header) or len(set(header)) < len(header):
        raise CommandError(f"{place}: a column has no name, or that of another; give each the name of a variable")
    for place, cells in rows:
        if not any(map(str.strip, cells)):
            raise CommandError(f"{place} is empty: remove it")
        if len(cells) != len(header):
            raise CommandError(f"{place} has {len(cells)} columns, not {len(header)}: quote a text that has a comma")
    return [(place, dict(zip(header, cells, strict=True))) for place, cells in rows]


def _lines(file: BinaryIO) -> Iterator[tuple[int, list[str]]]:
    """The lines and their cells; a quoted cell may have several lines, the first one counts."""
    content = file.read()
    try:
        reader = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
        line = 1
        for cells in reader:
            yield line, cells
            line = reader.line_num + 1
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise CommandError(f"{file.name}, line {line} is not UTF-8: save the file as UTF-8") from error
    except csv.Error as error:
        raise CommandError(f"{file.name}, line {line}: {error}; write a quote inside quotes twice") from error

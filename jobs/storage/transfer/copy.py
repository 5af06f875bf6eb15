"""A copy of a whole database in another, of the same engine or the other one.

What is there already is left, so a copy that was interrupted goes on. A table in the target tells of it until all is
there and compared.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import RowMapping, Table, func, inspect, select, text, tuple_
from sqlalchemy.dialects import postgresql, sqlite

from jobs.errors import BadSetting
from jobs.storage.database import Database
from jobs.storage.migrations.all_tables import metadata
from jobs.storage.schema import images, jobs, search_entries
from jobs.storage.search.entries import row_words, set_entry

_ROWS_AT_ONCE = 50
_IMAGES_AT_ONCE = 4
# The target's triggers fill it.
_COUNTED = "job_counts"
_note = sa.Table("unfinished_copy", sa.MetaData(), sa.Column("source", sa.String(1000), primary_key=True))


class Comparison(NamedTuple):
    """A table in both databases: how many rows, and a checksum of all that is in them."""

    table: str
    source: tuple[int, str]
    target: tuple[int, str]


def claim_target(target: Database, source: Database) -> None:
    """Note in an empty database that it becomes a copy. Raises BadSetting when it holds anything else."""
    address = source.engine.url.render_as_string()
    with target.write() as connection:
        tables = inspect(connection).get_table_names()
        if not tables:
            _note.create(connection)
            connection.execute(_note.insert().values(source=address))
            return
        noted = connection.execute(select(_note.c.source)).scalar_one() if _note.name in tables else None
    if noted != address:
        whose = f"an unfinished copy of {noted}" if noted else "tables already"
        raise BadSetting(f"{target.engine.url.render_as_string()} has {whose}: name an empty database")


def release_target(target: Database) -> None:
    """Let the copy be a database like any other."""
    with target.write() as connection:
        _note.drop(connection)


def copy_rows(source: Database, target: Database) -> Iterator[tuple[str, int]]:
    """Copy what the target, which has all tables, does not have yet. Yields a table's name and rows so far, often."""
    for table in metadata.sorted_tables:
        if table.name != _COUNTED:
            done = 0
            for rows in _pages(source, table):
                _insert_missing(target, table, rows)
                done += len(rows)
                yield table.name, done
    if target.engine.name == "postgresql":
        _continue_numbers(target)
    yield from _index_words(target)


def comparisons(source: Database, target: Database) -> Iterator[Comparison]:
    """Read every table of both again; in one that is counted, rows may be left that say there is none any more."""
    for table in metadata.sorted_tables:
        if table.name == _COUNTED:
            continue
        yield Comparison(table.name, _digest(source, table), _digest(target, table))


def _pages(database: Database, table: Table) -> Iterator[Sequence[RowMapping]]:
    keys = list(table.primary_key.columns)
    query = select(table).order_by(*keys).limit(_IMAGES_AT_ONCE if table is images else _ROWS_AT_ONCE)
    after = query
    while True:
        with database.read() as connection:
            rows = connection.execute(after).mappings().all()
        if not rows:
            return
        yield rows
        after = query.where(tuple_(*keys) > tuple_(*(rows[-1][key.name] for key in keys)))


def _insert_missing(target: Database, table: Table, rows: Sequence[RowMapping]) -> None:
    values: list[dict[str, Any]] = [dict(row) for row in rows]
    if table is search_entries:
        values = [{**row, "indexed": 0} for row in values]  # until its words are in the target's index
    insert = postgresql.insert if target.engine.name == "postgresql" else sqlite.insert
    with target.write() as connection:
        connection.execute(insert(table).on_conflict_do_nothing(), values)


def _continue_numbers(target: Database) -> None:
    highest = select(func.coalesce(func.max(search_entries.c.number), 0) + 1).scalar_subquery()
    with target.write() as connection:
        sequence = func.pg_get_serial_sequence(text("'search_entries'"), text("'number'"))
        connection.execute(select(func.setval(sequence, highest, sa.false())))


def _index_words(target: Database) -> Iterator[tuple[str, int]]:
    """Fill the index of words. What an earlier version wrote is left to those who do that anyway."""
    columns = (jobs.c.id, jobs.c.owner, jobs.c.name, jobs.c.request, jobs.c.response)
    joined = select(*columns).join(search_entries, search_entries.c.job_id == jobs.c.id)
    query = joined.where(search_entries.c.indexed == 0, jobs.c.search == "").order_by(search_entries.c.number)
    done = 0
    while True:
        with target.read() as connection:
            rows = connection.execute(query.limit(_ROWS_AT_ONCE)).mappings().all()
        if not rows:
            return
        with target.write() as connection:
            for row in rows:
                set_entry(connection, row["id"], row_words(row))
        done += len(rows)
        yield "search_index", done


def _digest(database: Database, table: Table) -> tuple[int, str]:
    """How many rows there are, and a sum of their hashes: the order of rows is not the same on every engine."""
    count = total = 0
    columns = [column.name for column in table.columns if column is not search_entries.c.indexed]
    for rows in _pages(database, table):
        count += len(rows)
        for row in rows:
            told = repr([row[name] for name in columns]).encode()
            total += int.from_bytes(hashlib.sha256(told).digest()[:8])
    return count, f"{total % 2**64:016x}"

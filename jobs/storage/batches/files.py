"""Files of owners: the lines of batches, in pieces, so that no row and no transaction is long."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from sqlalchemy import Connection, RowMapping, delete, func, insert, select, update

from jobs.errors import InvalidRequest
from jobs.storage.batches.tables import file_pieces, files
from jobs.storage.database import Database
from jobs.storage.lists.owned_rows import OwnedRows, PageOf

PIECE_BYTES = 1_000_000
BATCH, OUTPUT = "batch", "batch_output"
# An upload that has not ended by then never will.
_UPLOAD_SECONDS = 3600.0


class FileLimits(NamedTuple):
    """How many bytes a file may have, and all that an owner has."""

    file: int
    owner: int


class Files:
    """The files in the database. Another owner's does not exist, nor does one that is still coming."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rows = OwnedRows(database, files, "File")

    def create(
        self, owner: str, filename: str, pieces: Iterable[bytes], expires_at: float | None, limits: FileLimits
    ) -> RowMapping:
        """Store a file for batches, piece by piece. Raises InvalidRequest when there is too much of it."""
        file_id = f"file-{secrets.token_hex(16)}"
        left = limits.owner - self._bytes_of(owner)
        row = {"id": file_id, "owner": owner, "filename": filename, "purpose": BATCH, "bytes": 0, "is_whole": 0}
        with self._database.write() as connection:
            connection.execute(insert(files).values({**row, "created_at": time.time(), "expires_at": expires_at}))
        size = 0
        for number, piece in enumerate(pieces):
            size += len(piece)
            if size > min(limits.file, left):
                self.delete(owner, file_id, whole=False)
                raise _too_long(limits, left)
            with self._database.write() as connection:
                connection.execute(insert(file_pieces).values(file_id=file_id, number=number, content=piece))
        with self._database.write() as connection:
            connection.execute(update(files).where(files.c.id == file_id).values(bytes=size, is_whole=1))
        return self.get(owner, file_id)

    def get(self, owner: str, file_id: str) -> RowMapping:
        """One of the owner's. Raises NotFound."""
        row = self._rows.get(owner, file_id)
        if not row["is_whole"]:
            raise self._rows.missing(file_id)
        return row

    def page(self, owner: str, page: PageOf, purpose: str | None = None) -> list[RowMapping]:
        """A page of the owner's files. Raises NotFound when there is none with the id `page.after`."""
        only = () if purpose is None else (files.c.purpose == purpose,)
        return self._rows.page(owner, page, files.c.is_whole == 1, *only)

    def delete(self, owner: str, file_id: str, *, whole: bool = True) -> None:
        """Remove a file. Raises NotFound."""
        if whole:
            self.get(owner, file_id)
        with self._database.write() as connection:
            connection.execute(delete(files).where(self._rows.is_owned(owner, file_id)))

    def pieces(self, file_id: str) -> Iterator[bytes]:
        """The content of an uploaded file."""
        number = 0
        piece = select(file_pieces.c.content)
        while True:
            with self._database.read() as connection:
                mine = piece.where(file_pieces.c.file_id == file_id, file_pieces.c.number == number)
                content = connection.execute(mine).scalar_one_or_none()
            if content is None:
                return
            yield bytes(content)
            number += 1

    def lines(self, file_id: str, longest: int) -> Iterator[bytes]:
        """Its lines, without their ends. One with more than `longest` bytes is cut, and the last."""
        rest = b""
        for piece in self.pieces(file_id):
            *whole, rest = (rest + piece).split(b"\n")
            yield from whole
            if len(rest) > longest:
                break
        if rest:
            yield rest

    def forget_expired(self) -> None:
        """Remove what was to be kept until now, and uploads that broke off."""
        now = time.time()
        broken_off = (files.c.is_whole == 0) & (files.c.created_at < now - _UPLOAD_SECONDS)
        with self._database.read() as connection:
            ids = connection.execute(select(files.c.id).where((files.c.expires_at < now) | broken_off)).scalars().all()
        if ids:
            with self._database.write() as connection:
                connection.execute(delete(files).where(files.c.id.in_(ids)))

    def _bytes_of(self, owner: str) -> int:
        total = select(func.coalesce(func.sum(files.c.bytes), 0)).where(
            files.c.owner == owner, files.c.purpose == BATCH
        )
        with self._database.read() as connection:
            return int(connection.execute(total).scalar_one())


def add_output(connection: Connection, batch: RowMapping, name: str, size: int) -> str:
    """Inside the caller's transaction, a file that a batch's jobs are read as; its id."""
    row: dict[str, Any] = {
        **{"id": f"file-{secrets.token_hex(16)}", "owner": batch["owner"], "purpose": OUTPUT, "is_whole": 1},
        **{"filename": f"{batch['id']}_{name}.jsonl", "bytes": size, "created_at": time.time()},
        **{"batch_id": batch["id"], "kind": name},
    }
    connection.execute(insert(files).values(row))
    return str(row["id"])


def _too_long(limits: FileLimits, left: int) -> InvalidRequest:
    if left < limits.file:
        return InvalidRequest(
            "Your files may have {most} bytes together: delete some first.", param="file", values={"most": limits.owner}
        )
    return too_large(limits.file)


def too_large(most: int) -> InvalidRequest:
    """What is said of a file with more bytes than it may have."""
    said: dict[str, Any] = {"param": "file", "code": "file_too_large", "values": {"most": most}}
    return InvalidRequest("A file of a batch has at most {most} bytes: make several of it.", **said)

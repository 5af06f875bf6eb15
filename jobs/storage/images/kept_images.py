"""Which jobs have which images: an image comes with the first job that has it and goes with the last."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import ColumnElement, Connection, and_, delete, exists, insert, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite

from jobs.errors import InvalidRequest
from jobs.job import Job
from jobs.requests.images import Image
from jobs.storage.database import Database
from jobs.storage.schema import images, job_images


def keep_images(
    connection: Connection, owner: str, job_id: str, names: Collection[str], sent: Mapping[str, Image]
) -> None:
    """Let a new job have the images of these names. Those that its owner does not have yet are among the `sent`.

    Raises InvalidRequest when one is nowhere: the job that had it was deleted meanwhile.
    """
    if not names:
        return
    # Locked, in one order for all: whoever deletes the last job that has one waits, and then sees this job.
    mine = select(images.c.sha256).where(_named(owner, names)).order_by(images.c.sha256).with_for_update()
    known = set(connection.execute(mine).scalars())
    for name in sorted(set(names) - known):
        if name not in sent:
            raise InvalidRequest("An image of this conversation was deleted: send it again.", param="input")
        _insert(connection, owner, sent[name])
    connection.execute(insert(job_images), [{"job_id": job_id, "owner": owner, "sha256": name} for name in names])


def _insert(connection: Connection, owner: str, image: Image) -> None:
    new = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    values = {"owner": owner, "sha256": image.sha256, "media_type": image.media_type, "data": image.data}
    row = new(images).values(values)
    # Another job may bring the same image at the same moment; an UPDATE locks its row.
    same = row.on_conflict_do_update(
        index_elements=[images.c.owner, images.c.sha256], set_={"media_type": row.excluded.media_type}
    )
    connection.execute(same)


def images_of(database: Database, job: Job) -> dict[str, bytes]:
    """The data of a job's images by name, as far as they came as data."""
    names = job.request.images
    if not names:
        return {}
    with database.read() as connection:
        rows = connection.execute(select(images.c.sha256, images.c.data).where(_named(job.owner, names)))
        return {row.sha256: row.data for row in rows}


def release_images(connection: Connection, job_ids: Sequence[str]) -> None:
    """Remove the images that none but these removed jobs had."""
    had = delete(job_images).where(job_images.c.job_id.in_(job_ids)).returning(job_images.c.owner, job_images.c.sha256)
    names = {tuple(row) for row in connection.execute(had)}
    if not names:
        return
    named = tuple_(images.c.owner, images.c.sha256).in_(sorted(names))
    connection.execute(select(images.c.sha256).where(named).order_by(images.c.sha256).with_for_update())
    in_use = exists().where(job_images.c.owner == images.c.owner, job_images.c.sha256 == images.c.sha256)
    connection.execute(delete(images).where(named, ~in_use))


def _named(owner: str, names: Collection[str]) -> ColumnElement[bool]:
    return and_(images.c.owner == owner, images.c.sha256.in_(names))

"""Sharing a job: a link by which anybody may read its text, and nothing else."""

from __future__ import annotations

from typing import Annotated

from flask import url_for
from pydantic import BaseModel, Field

from jobs.storage.shares.shares import Share, Shares
from web.context import WebContext


class ShareRequest(BaseModel):
    """The body that makes a share: for how many days it is good."""

    days: Annotated[float, Field(gt=0, le=365)] = 7


def share(context: WebContext, owner: str, job_id: str, wish: ShareRequest) -> tuple[Share, str]:
    """A new share of the owner's job, and its link, which is shown this once. Raises InvalidRequest, JobNotFound."""
    job = context.store.get(owner, job_id)
    made, token = Shares(context.database).create(owner, job.id, wish.days)
    return made, url_for("shared.show", token=token, _external=True)

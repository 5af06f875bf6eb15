"""A job's metadata, as its owner changes it: by it jobs are filed."""

from __future__ import annotations

from collections.abc import Mapping

from jobs.errors import InvalidRequest
from jobs.filing import MAX_LABELS, Filing, filed, filing_of, joined
from jobs.job import Job
from web.context import WebContext


def change_metadata(context: WebContext, owner: str, job_id: str, metadata: Mapping[str, str]) -> Job:
    """Give a job other metadata; the job as it is then. Raises JobNotFound."""
    return context.store.change_metadata(owner, job_id, metadata)


def file_job(context: WebContext, owner: str, job_id: str, **changes: object) -> Job:
    """Change a job's `title`, `starred` or `labels`; the rest stays. Raises JobNotFound, InvalidRequest."""
    metadata = context.store.get(owner, job_id).metadata
    filing = Filing(**{**filing_of(metadata)._asdict(), **changes})
    if len(joined(filing.labels)) > MAX_LABELS:
        raise InvalidRequest(f"All labels together may have {MAX_LABELS} characters: use fewer.", param="labels")
    return change_metadata(context, owner, job_id, filed(metadata, filing))

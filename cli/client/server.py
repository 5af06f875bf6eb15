"""The Penstock server that the client commands talk to, through the official OpenAI client, unchanged."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from typing import Any, cast

import click
import openai
from openai.pagination import SyncCursorPage

from cli.exit_codes import AUTH, NOT_FOUND, UNREACHABLE, USAGE, CommandError
from jobs.protocol.ids import is_job_id
from jobs.redis_url import has_host_and_port
from jobs.settings import is_local

DEFAULT_URL = "http://127.0.0.1:8000"

Job = dict[str, Any]  # a response object, as it is on the wire

_CODES = {401: AUTH, 403: AUTH, 404: NOT_FOUND, 429: UNREACHABLE}
# Above what it waits for its database, Redis and model servers.
_SYSTEM_SECONDS = 10.0
_OLDEST_PREFIX = 1000  # jobs looked through for the start of an id


class _Response(openai.BaseModel):
    """Whatever the server answers; all fields but its id are kept as they came."""

    id: str


def wire(model: openai.BaseModel) -> dict[str, Any]:
    """What the client has parsed, as it came: also where the client's types are narrower than the answer."""
    return model.to_dict(warnings=False)


def only_once(key: str | None = None) -> dict[str, str]:
    """Headers of a call that makes a job: the client sends again what got no answer, and with a key that is safe."""
    return {"Idempotency-Key": key or uuid.uuid4().hex}


class Server:
    """One server, for the life of one command."""

    def __init__(self, url: str, api_key: str) -> None:
        if not url.startswith(("http://", "https://")) or not has_host_and_port(url.partition("://")[2]):
            raise CommandError(f"{url!r} is no address of a server: it must be like {DEFAULT_URL}")
        self.url = url.rstrip("/")
        # A proxy that is set for the world outside would be asked for the server next to us.
        transport = openai.DefaultHttpxClient(trust_env=not is_local(url))
        self.openai = openai.OpenAI(base_url=f"{self.url}/v1", api_key=api_key, max_retries=1, http_client=transport)

    def jobs(self, most: int, **query: object) -> Iterator[Job]:
        """The newest jobs, newest first, `most` at most; or what a query of the API asks for, as far as it is given."""
        return self.rows("/responses", most, **{name: value or openai.omit for name, value in query.items()})

    def rows(self, path: str, most: int, **query: object) -> Iterator[dict[str, Any]]:
        """The entries of a list, as the server orders them, `most` at most."""
        params = {"limit": min(most, 100), **query}
        found = self.openai.get_api_list(
            path, page=SyncCursorPage[_Response], model=_Response, options={"params": params}
        )
        return map(wire, islice(found, most))

    def post(self, path: str, **body: object) -> dict[str, Any]:
        """What the server answers to a call of its own, beside those that the client knows."""
        return wire(self.openai.post(path, cast_to=_Response, body=body))

    def make(self, path: str, **body: object) -> Job:
        """The job that a call makes; sent again, it makes no second one."""
        return wire(self.openai.post(path, cast_to=_Response, body=body, options={"headers": only_once()}))

    def retry(self, name: str) -> Job:
        """A new job for the ended one that a person means."""
        return self.make(f"/responses/{self.full_id(name)}/retry")

    def cancel(self, name: str, *, graceful: bool) -> Job:
        """Cancel the job that a person means, or let it come to the end of its sentences; the job as it is then."""
        path = f"/responses/{self.full_id(name)}/cancel"
        body = {"graceful": True} if graceful else None
        return wire(self.openai.post(path, cast_to=_Response, body=body))

    def plan(self, full_id: str) -> Job:
        """The plan of a job."""
        return wire(self.openai.get(f"/responses/{full_id}/plan", cast_to=_Response))

    def agree(self, full_id: str, plan: Mapping[str, Any]) -> Job:
        """Have a job written by this plan; the job as it is then."""
        return wire(self.openai.post(f"/responses/{full_id}/plan", cast_to=_Response, body=plan))

    def revoke(self, share_id: str) -> dict[str, Any]:
        """Take a share back; what the server says."""
        return wire(self.openai.delete(f"/shares/{share_id}", cast_to=_Response))

    def delete_schedule(self, schedule_id: str) -> None:
        """Delete a schedule."""
        self.openai.delete(f"/schedules/{schedule_id}", cast_to=_Response)

    def delete(self, full_id: str) -> dict[str, Any]:
        """Delete a job; what the server says."""
        return wire(self.openai.delete(f"/responses/{full_id}", cast_to=_Response))

    def get(self, name: str) -> Job:
        """The job that a person means by an id, the start of one, or `last`. Raises CommandError if there is none."""
        return wire(self.openai.responses.retrieve(self.full_id(name)))

    def read_source(self, name: str, content: bytes) -> dict[str, Any]:
        """What the server reads out of a file."""
        # With this header the client sends the file as a form.
        options: Any = {"headers": {"Content-Type": "multipart/form-data"}}
        answer = self.openai.post("/sources", cast_to=object, files={"file": (name, content)}, options=options)
        return cast(dict[str, Any], answer)

    def file(self, full_id: str, suffix: str) -> bytes:
        """The text of a job as a file of this kind."""
        answer = self.openai.get(f"{self.url}/jobs/{full_id}.{suffix}", cast_to=openai.HttpxBinaryResponseContent)
        return answer.content

    def system(self) -> dict[str, Any]:
        """What works and what waits, as `/system.json` tells it; a silent server is not waited for for long."""
        patience: Any = {"timeout": _SYSTEM_SECONDS, "max_retries": 0}
        return cast(dict[str, Any], self.openai.get(f"{self.url}/system.json", cast_to=object, options=patience))

    def full_id(self, name: str) -> str:
        """The id that a person means. Raises CommandError unless it is exactly one."""
        if is_job_id(name):
            return name
        start = ("",) if name == "last" else (name, f"resp_{name}")
        recent = self.jobs(1 if name == "last" else _OLDEST_PREFIX)
        matches = [str(job["id"]) for job in recent if job["id"].startswith(start)]
        if not matches:
            raise CommandError(f"no job is called {name!r}: see `penstock list`", NOT_FOUND)
        if len(matches) > 1:
            names = ", ".join(matches[:3])
            raise CommandError(f"{name!r} begins the id of {len(matches)} jobs ({names} ...): give more of it")
        return matches[0]

    @contextmanager
    def errors_explained(self, where: str = "") -> Iterator[None]:
        """Make what the client raises a CommandError: one line, which begins with `where`, and an exit code."""
        try:
            yield
        except openai.APIConnectionError as error:
            problem, remedy = f"no server answers at {self.url}", "start one with `penstock up`, or name another with"
            if "CERTIFICATE_VERIFY_FAILED" in str(error.__cause__):
                problem = f"the certificate of {self.url} is not trusted"
                remedy = "SSL_CERT_FILE may name the file of one that is, or name another server with"
            raise CommandError(f"{where}{problem}: {remedy} --url or PENSTOCK_URL", UNREACHABLE) from error
        except openai.APIStatusError as error:
            words = error.body.get("message") if isinstance(error.body, dict) else None
            code = _CODES.get(error.status_code, UNREACHABLE if error.status_code >= 500 else USAGE)
            raise CommandError(f"{where}{words or error.message}", code) from error


def asks_server(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command its options --url and --api-key, pass it a Server, and turn errors into exit codes."""

    @click.option("--url", envvar="PENSTOCK_URL", default=DEFAULT_URL, help="The server's address.")
    @click.option("--api-key", envvar="PENSTOCK_API_KEY", default="any", help="Your key; without sign-in any will do.")
    @functools.wraps(command)
    def wrapped(*, url: str, api_key: str, **arguments: object) -> None:
        server = Server(url, api_key)
        with server.openai, server.errors_explained():
            command(server, **arguments)

    return wrapped

"""The Django site of examples/clients, run as it stands there: its users follow their own jobs and no others."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from tests.support import environments
from tests.support.stack import Stack
from tests.support.up import ROOT, clean_environment

pytestmark = pytest.mark.timeout(600)  # an environment may have to be made first

SITE = ROOT / "examples" / "clients" / "django_site"
USERS = ("ann", "bob")


@dataclass(frozen=True)
class DjangoSite:
    """The running site."""

    url: str

    @contextmanager
    def browser(self, user: str) -> Iterator[httpx2.Client]:
        """One in which a user is logged in."""
        with httpx2.Client(base_url=self.url, follow_redirects=True, trust_env=False, timeout=60) as browser:
            form = {"username": user, "password": "a password", "csrfmiddlewaretoken": self.token(browser, "/login")}
            assert browser.post("/login", data=form).url.path == "/"
            yield browser

    @staticmethod
    def token(browser: httpx2.Client, path: str) -> str:
        """What a form of a page has to be sent with."""
        found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', browser.get(path).text)
        assert found
        return found[1]


@pytest.fixture(scope="module")
def site(
    penstock: Stack, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[DjangoSite]:
    if not request.config.getoption("--clients"):
        pytest.skip("runs with --clients")
    interpreter = environments.python("django").command[0]
    database: Path = tmp_path_factory.mktemp("django") / "users.db"
    variables = clean_environment(
        OPENAI_BASE_URL=f"{penstock.url}/v1",
        OPENAI_API_KEY="any",
        DJANGO_SECRET_KEY="secret",
        DJANGO_DATABASE=str(database),
        DJANGO_SUPERUSER_PASSWORD="a password",
        MODEL="demo+rate=0",
    )
    users = [("createsuperuser", "--noinput", f"--username={user}", "--email=u@example.org") for user in USERS]
    for command in (("migrate", "--verbosity=0"), *users):
        subprocess.run([interpreter, "manage.py", *command], cwd=SITE, env=variables, timeout=100, check=True)
    serve = [interpreter, "-m", "uvicorn", "asgi:application", "--port", "0"]
    with subprocess.Popen(serve, cwd=SITE, env=variables, stderr=subprocess.PIPE, encoding="utf-8") as server:
        try:
            assert server.stderr
            lines = iter(server.stderr.readline, "")
            yield DjangoSite(next(found[0] for line in lines if (found := re.search(r"http://[\d.]+:\d+", line))))
        finally:
            server.terminate()


def test_users_follow_their_own_jobs(site: DjangoSite, penstock: Stack) -> None:
    with site.browser("ann") as ann, site.browser("bob") as bob:
        form = {"question": "hello [[demo tokens=30]]", "csrfmiddlewaretoken": site.token(ann, "/")}
        page = ann.post("/jobs", data=form)
        assert page.status_code == 200
        job_id = page.url.path.rpartition("/")[2]
        frames = ann.get(f"/jobs/{job_id}/events").text.split("\n\n")
        deltas = re.findall(r'"delta":"((?:[^"\\]|\\.)*)"', "".join(frames))
        assert (
            "".join(deltas).encode().decode("unicode_escape")
            == penstock.client().responses.retrieve(job_id).output_text
        )
        assert "event: response.completed" in frames[-2]
        rest = ann.get(f"/jobs/{job_id}/events", headers={"Last-Event-ID": "4"}).text.split("\n\n")
        assert rest == frames[5:]
        for path in (f"/jobs/{job_id}", f"/jobs/{job_id}/events", "/jobs/resp_0"):
            assert bob.get(path).status_code == 404
    anyone = httpx2.get(f"{site.url}/jobs/{job_id}/events", trust_env=False)
    assert (anyone.status_code, anyone.headers["Location"].partition("?")[0]) == (302, "/login")

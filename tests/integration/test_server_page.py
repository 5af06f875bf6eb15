"""docs/server.md: its commands, one block after the other, make a server that writes texts.

Packages are those of this machine; what is below /etc, /opt, /usr/local, /var and /run is below a temporary directory.
What `systemctl` is asked for is done here: the units' own lines are run as they say.
"""

from __future__ import annotations

import os
import re
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx2
import openai
import psycopg
import pytest

from cli.launch.listening import Listener, listen
from tests.support import nginx
from tests.support.compose import listening_port
from tests.support.postgres import SYSTEM_USER, find_programs, postgres
from tests.support.process import Process
from tests.support.stack import START_SECONDS, DemoModel, wait_for
from tests.support.units import Units
from tests.support.up import COMMAND, ROOT, clean_environment, command, eventually

PAGE = (ROOT / "docs" / "server.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"(?ms)^```sh\n(.*?)^```$", PAGE)
NEEDED = [shutil.which("redis-server"), shutil.which("openssl"), shutil.which("psql"), nginx.PROGRAM, find_programs()]
NGINX_CONF = Path("/etc/nginx/nginx.conf")
# An address of this machine that is a stranger's for Penstock, so that its certificate is checked.
NAME = "127.0.0.2"
PLACES = re.compile(r"(?<![\w./])/(etc|opt|usr/local|var|run)/")

SHIMS = {
    "apt": "",
    "python3": "",  # the environment is that of the tests
    "nginx": "",  # it is started when it is to be reloaded
    "systemctl": 'echo "$@" >> {root}/systemctl',
    "runuser": 'shift 3; PGHOST={pg} PGUSER=postgres exec "$@"',
    "install": 'for word; do case $word in -g|redis) ;; *) set -- "$@" "$word";; esac; shift; done; '
    'exec /usr/bin/install "$@"',
}


class Server:
    """The machine of the page."""

    def __init__(self, root: Path, pg: str, model: str, redis_socket: Path) -> None:
        self.root = root
        self.units = Units(root / "etc/systemd/system", root)
        self.others: dict[str, Process] = {}
        self.listeners: list[Listener] = [listen(NAME, 0), listen(NAME, 0)]
        self._places = {
            "redis://127.0.0.1:6379/0": f"unix://{redis_socket}",
            "penstock@127.0.0.1/penstock": f"penstock@/penstock?host={pg}",
            "https://api.deepseek.com/v1": model,
            "subjectAltName=DNS": "subjectAltName=IP",
            "https://penstock.example.org": f"https://{NAME}:{self.listeners[1].port}",
            "name=penstock.example.org": f"name={NAME}",
        }
        self._prepare(pg, redis_socket)

    def _prepare(self, pg: str, redis_socket: Path) -> None:
        root = self.root
        for place in ("etc/redis", "etc/nginx/conf.d", "etc/nginx/sites-enabled", "etc/systemd/system"):
            (root / place).mkdir(parents=True)
        for place in ("usr/local/bin", "opt/penstock/.venv/bin", "run", "tmp", "var/log/nginx", "shims"):
            (root / place).mkdir(parents=True)
        (root / "etc/redis/redis.conf").write_text(f"port 0\nunixsocket {redis_socket}\ndir {root}/tmp\n")
        shutil.copy(NGINX_CONF, root / "etc/nginx")
        shutil.copy(NGINX_CONF.with_name("mime.types"), root / "etc/nginx")
        for name, text in SHIMS.items():
            self._program(root / "shims" / name, text.format(root=root, pg=pg) if "{" in text else text)
        self._program(root / "opt/penstock/.venv/bin/pip", "")
        self._program(root / "opt/penstock/.venv/bin/penstock", f'exec {" ".join(COMMAND)} "$@"')

    @staticmethod
    def _program(path: Path, text: str) -> None:
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def run(self, block: str) -> str:
        """Run one block, then what it asks of systemd; its stdout."""
        for there, here in self._places.items():
            block = block.replace(there, here)
        path = f"{self.root}/shims:{self.root}/usr/local/bin:/usr/local/bin:/usr/bin:/bin"
        script = ["bash", "-euo", "pipefail", "-c", PLACES.sub(rf"{self.root}/\1/", block)]
        done = subprocess.run(
            script, cwd=ROOT, env=clean_environment(PATH=path), capture_output=True, text=True, timeout=100, check=False
        )
        assert done.returncode == 0, f"{block}\n{done.stdout}{done.stderr}"
        self._move_copies()
        asked = self.root / "systemctl"
        for line in asked.read_text().splitlines() if asked.exists() else []:
            self._obey(*line.split())
        asked.unlink(missing_ok=True)
        return done.stdout

    def _move_copies(self) -> None:
        """Have what was copied out of the checkout name the places of this machine, too."""
        copies = [*self.root.glob("etc/systemd/system/**/*"), *self.root.glob("etc/nginx/**/*.conf")]
        for path in [*copies, self.root / "usr/local/bin/penstock"]:
            if path.is_file():
                text = PLACES.sub(rf"{self.root}/\1/", path.read_text())
                path.write_text(text.replace("--port 8000", "--port 0"))

    def _obey(self, verb: str, *names: str) -> None:
        names = tuple(name for name in names if not name.startswith("--"))
        if names == ("redis-server",):
            self._start("redis", ["redis-server", str(self.root / "etc/redis/redis.conf")])
        elif names == ("nginx",):
            self._start_nginx()
        elif verb == "enable":
            for name in names:
                self.units.start(name)
        elif verb == "restart":
            for name in ["penstock-migrate", *self.units.running]:
                self.units.restart(name)

    def _start(self, name: str, argv: list[str], **options: object) -> None:
        fds = tuple(listener.fd for listener in self.listeners) if name == "nginx" else ()
        environment = clean_environment(NGINX="".join(f"{fd};" for fd in fds))
        self.others[name] = Process(argv, self.root / f"{name}.log", environment, fds)

    def _start_nginx(self) -> None:
        """Debian's nginx with the page's files: on sockets of ours, with its temporary files here."""
        folder = self.root / "etc/nginx"
        web = wait_for(lambda: listening_port(self.units.running["penstock-web"]), START_SECONDS)
        plain, tls = (f"{NAME}:{listener.port}" for listener in self.listeners)
        site = (folder / "sites-enabled/penstock.conf").read_text()
        site = re.sub(r" *listen \[::\].*\n", "", site)
        assert site.count("listen 80;") == site.count("listen 443 ssl") == 1
        site = site.replace("listen 80;", f"listen {plain};").replace("listen 443 ssl", f"listen {tls} ssl")
        (folder / "sites-enabled/penstock.conf").write_text(site)
        webs = (folder / "webs.conf").read_text()
        assert ":8000 " in webs
        (folder / "webs.conf").write_text(webs.replace(":8000 ", f":{web} "))
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        lines = (f"{kind}_temp_path {self.root}/tmp/{kind};\n" for kind in kinds)
        (folder / "conf.d/places.conf").write_text("".join(lines))
        main = (folder / "nginx.conf").read_text()
        (folder / "nginx.conf").write_text(main.replace("user www-data;", "user root;" * (os.geteuid() == 0)))
        self._start("nginx", [nginx.PROGRAM or "nginx", "-c", str(folder / "nginx.conf"), "-g", "daemon off;"])
        wait_for((self.root / "run/nginx.pid").exists)

    def close(self) -> None:
        """End everything."""
        self.units.close()
        for process in self.others.values():
            process.kill()
        for listener in self.listeners:
            listener.socket.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """The machine, with a PostgreSQL that asks for passwords, and a model server."""
    with ExitStack() as ends:
        programs = find_programs()
        assert programs
        url = ends.enter_context(postgres(programs))
        pg = url.partition("host=")[2]
        rules = Path(pg) / "data" / "pg_hba.conf"
        rules.write_text(f"local all penstock scram-sha-256\n{rules.read_text()}")
        with psycopg.connect(host=pg, user=SYSTEM_USER, dbname="postgres") as connection:
            connection.execute("SELECT pg_reload_conf()")
        model = DemoModel(tmp_path)
        ends.callback(model.close)
        made = Server(tmp_path / "root", pg, model.url, tmp_path / "redis.sock")
        ends.callback(made.close)
        yield made


@pytest.mark.skipif(not all(NEEDED), reason="no nginx, PostgreSQL, redis-server or openssl")
@pytest.mark.skipif(not NGINX_CONF.exists(), reason="no nginx of Debian's")
@pytest.mark.timeout(400)  # nine processes on a busy machine
def test_the_commands_of_the_page_make_a_server(server: Server) -> None:
    *setting_up, key_block, new_version = BLOCKS
    for block in setting_up:
        server.run(block)
    workers = [server.units.running[f"penstock-{name}"].log for name in ("worker@1", "worker@2", "batch-worker@1")]
    eventually(lambda: all(" ready." in log.read_text() for log in workers), 2 * START_SECONDS)
    printed = server.run(key_block)
    key = printed.split()[0]
    assert "FAIL" not in printed
    url = f"https://{NAME}:{server.listeners[1].port}"
    context = ssl.create_default_context(cafile=str(server.root / "etc/nginx/tls/fullchain.pem"))
    with httpx2.Client(verify=context, trust_env=False, timeout=30) as browser:
        plain = browser.get(f"http://{NAME}:{server.listeners[0].port}/jobs")
        assert (plain.status_code, plain.headers["Location"]) == (308, f"https://{NAME}/jobs")
        assert browser.get(f"{url}/metrics").status_code == 404
        assert browser.get(f"{url}/v1/responses?q=secretwords").status_code == 401
        signed_in = browser.post(f"{url}/signin", data={"key": key}, headers={"Origin": url})
        assert "secure" in signed_in.headers["Set-Cookie"].lower()
    with (
        httpx2.Client(verify=context, trust_env=False, timeout=60) as http,
        openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0, http_client=http) as client,
    ):
        jobs = [
            client.responses.create(input=f"[[demo rate=0 tokens=20]] {tier}", background=True, service_tier=tier)
            for tier in ("default", "flex")
        ]
        events = client.responses.retrieve(jobs[0].id, stream=True)
        assert [event.type for event in events][-1] == "response.completed"
        eventually(lambda: client.responses.retrieve(jobs[1].id).status == "completed")
    logged = "".join(path.read_text() for path in (server.root / "var/log/nginx").iterdir())
    assert " GET /v1/responses 401 " in logged
    assert "secretwords" not in logged
    stranger = command("list", PENSTOCK_URL=url, PENSTOCK_API_KEY=key)
    assert stranger.returncode == 6
    assert f"the certificate of {url} is not trusted: SSL_CERT_FILE may name" in stranger.stderr
    server.run(new_version)
    assert "Traceback" not in "".join(process.log.read_text() for process in server.units.running.values())

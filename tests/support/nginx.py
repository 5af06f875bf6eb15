"""Debian's nginx with the configuration in ops/nginx, on sockets that a test has bound."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from cli.launch.listening import Listener, listen
from tests.support.process import Process
from tests.support.stack import wait_for
from tests.support.up import ROOT, clean_environment

# Debian has it where an ordinary user does not look.
PROGRAM = shutil.which("nginx", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"]))

_BELOW_A_PATH = """
server {{
    listen {place};
    include below_a_path.conf;
    location / {{ return 404; }}
}}
"""


class Nginx:
    """The proxy: plain, below a path, and with TLS, each at an address of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._listeners: list[Listener] = [listen("127.0.0.1", 0) for _ in range(3)]
        self.url, self.url_below_a_path, self.url_with_tls = (listener.url for listener in self._listeners)
        self.url_below_a_path += "/penstock"
        self.url_with_tls = self.url_with_tls.replace("http:", "https:")
        shutil.copytree(ROOT / "ops" / "nginx", self.directory)

    def start(self, *webs: str) -> Process:
        """Start it in front of these addresses: the first has all requests, the others take over."""
        (self.directory / "tls").mkdir()
        (self.directory / "tmp").mkdir()
        self._make_certificate()
        plain, below, tls = (f"{listener.host}:{listener.port}" for listener in self._listeners)
        self._write("webs.conf", "".join(f"server {web} max_fails=0 {'backup' * (web != webs[0])};\n" for web in webs))
        self.replace("sites/local.conf", "listen 8000;", f"listen {plain};")
        self._write("sites/below.conf", _BELOW_A_PATH.format(place=below))
        shutil.move(self.directory / "tls.conf", self.directory / "sites")
        self.replace("sites/tls.conf", "listen 8443 ssl http2;", f"listen {tls} ssl http2;")
        text = (self.directory / "sites/tls.conf").read_text()
        self._write("sites/tls.conf", re.sub(r"server \{\n    listen 8080;.*?\n\}\n", "", text, flags=re.DOTALL))
        self.replace("nginx.conf", "/tmp/", f"{self.directory}/tmp/")  # noqa: S108
        as_root = " user root;" if os.geteuid() == 0 else ""
        argv = [PROGRAM or "nginx", "-c", str(self.directory / "nginx.conf"), "-g", f"daemon off;{as_root}"]
        # What nginx itself hands on to the next nginx at an upgrade: sockets that are already listened on.
        fds = tuple(listener.fd for listener in self._listeners)
        environment = clean_environment(NGINX="".join(f"{fd};" for fd in fds))
        process = Process(argv, self.directory / "nginx.log", environment, fds)
        wait_for(lambda: (self.directory / "tmp" / "nginx.pid").exists() or not process.is_running)
        assert process.is_running, process.exit_reason
        return process

    def _make_certificate(self) -> None:
        place = self.directory / "tls"
        make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        make += ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
        make += ["-keyout", str(place / "privkey.pem"), "-out", str(place / "fullchain.pem")]
        subprocess.run(make, check=True, capture_output=True)

    @property
    def certificate(self) -> Path:
        """What it shows, and whoever trusts it."""
        return self.directory / "tls" / "fullchain.pem"

    def _write(self, name: str, text: str) -> None:
        (self.directory / name).write_text(text)

    def replace(self, name: str, there: str, here: str) -> None:
        """Change what one of its files says, before it starts."""
        text = (self.directory / name).read_text()
        assert there in text
        self._write(name, text.replace(there, here))

    def close(self) -> None:
        """Give the sockets back."""
        for listener in self._listeners:
            listener.socket.close()

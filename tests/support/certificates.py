"""An authority of a test's own, and a certificate of 127.0.0.1 that it has signed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

OPENSSL = shutil.which("openssl")
_NEW = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2")


class Certificates(NamedTuple):
    """Files in PEM."""

    ca: Path
    certificate: Path
    key: Path


def make_certificates(directory: Path) -> Certificates:
    """Make them in `directory`, with openssl."""
    ca, ca_key = directory / "ca.pem", directory / "ca.key"
    made = Certificates(ca, directory / "server.pem", directory / "server.key")
    names = ("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost")
    _openssl(*_NEW, "-subj", "/CN=Authority", "-keyout", ca_key, "-out", ca)
    _openssl(*_NEW, *names, "-CA", ca, "-CAkey", ca_key, "-keyout", made.key, "-out", made.certificate)
    return made


def _openssl(*arguments: str | Path) -> None:
    assert OPENSSL
    subprocess.run([OPENSSL, *arguments], check=True, capture_output=True, timeout=30)

"""`penstock docs`: the documents as a site, on this machine."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

import click

from cli.exit_codes import CommandError
from cli.launch.listening import listen

_CHECKOUT = Path(__file__).resolve().parents[2]


@click.command()
@click.option("--port", default=8001, show_default=True, type=click.IntRange(1, 65535), help="Port to listen on.")
def docs(port: int) -> None:
    """Serve the documents of this checkout as a site, on http://127.0.0.1:8001."""
    if not (_CHECKOUT / "mkdocs.yml").exists():
        raise CommandError("the documents are not installed: run it in a checkout, or read them where the code is")
    if not find_spec("material"):
        raise CommandError("it needs mkdocs: pip install 'penstock[docs]'")
    listen("127.0.0.1", port).socket.close()  # a port in use is one line; mkdocs has a traceback for it
    os.chdir(_CHECKOUT)
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "mkdocs", "serve", "--dev-addr", f"127.0.0.1:{port}"])  # noqa: S606

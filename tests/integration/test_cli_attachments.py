"""What is attached to a request on the command line: files to write from, and images."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.pictures import png
from tests.support.stack import Stack
from tests.support.up import ask


def test_sources_are_read_by_the_server(penstock: Stack, tmp_path: Path) -> None:
    (tmp_path / "notes.csv").write_text("place,hours\nBay,12\n")
    source = ("--source", str(tmp_path / "notes.csv"))
    done = ask(penstock.url, "submit", "report", "topic=tides", "words=100", "source=First.", *source, "--json")
    assert "notes.csv: 19 bytes, " in done.stderr
    text = "[notes.csv, rows 1-1]\n\nplace: Bay; hours: 12"
    assert json.loads(done.stdout)["prompt"]["variables"]["source"] == f"First.\n\n{text}"
    done = ask(penstock.url, "submit", "--input", "Sum up. [[demo echo]]", *source, "--follow")
    assert done.stdout.startswith(text)
    refused = ask(penstock.url, "submit", "--source", str(tmp_path / "none.pdf"))
    assert (refused.exit_code, "none.pdf: No such file" in refused.stderr) == (2, True)


def test_images_are_files_or_addresses(penstock: Stack, tmp_path: Path) -> None:
    echo = "[[demo echo rate=0]]"
    picture = tmp_path / "cat.png"
    picture.write_bytes(png())
    of_image = ("--image", str(picture), "--image", "https://a.example/b.gif")
    named = f"[image/png, {len(picture.read_bytes())} bytes][https://a.example/b.gif]"
    assert ask(penstock.url, "submit", "--input", f"{echo}see ", *of_image, "--follow").stdout.strip() == f"see {named}"
    refused = ask(penstock.url, "submit", "--input", "x", "--image", "a.txt")
    assert (refused.exit_code, "no image by its name" in refused.stderr) == (2, True)

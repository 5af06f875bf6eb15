"""The prompts that a process knows: the built-in ones, and those in a folder, as its files are now."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from jobs.errors import BadSetting, InvalidRequest
from jobs.requests.prompts import BUILT_IN, Prompt, read_prompt

_LOOK_SECONDS = 1.0

_log = logging.getLogger(__name__)


class _File(NamedTuple):
    """A prompt file as it was read: what tells that it has changed, and the prompt, if it was ever a good one."""

    stamp: tuple[int, ...]
    prompt: Prompt | None


class Prompts:
    """All prompts known to this process, by id. Files of the folder that change are read again."""

    def __init__(self, folder: Path | None) -> None:
        """Read the built-in prompts, then those in `folder`. Raises BadSetting that names a bad file."""
        if folder is not None and not folder.is_dir():
            raise BadSetting(f"PENSTOCK_PROMPTS: {folder} is not a directory")
        self._folder = folder
        self._built_in = {prompt.id: prompt for prompt in map(read_prompt, sorted(BUILT_IN.glob("*.toml")))}
        self._files = {path: _File(_stamp(path), read_prompt(path)) for path in self._paths()}
        self._looked_at = time.monotonic()

    def __iter__(self) -> Iterator[Prompt]:
        return iter(self._known().values())

    def _paths(self) -> list[Path]:
        return sorted(self._folder.glob("*.toml")) if self._folder else []

    def _known(self) -> dict[str, Prompt]:
        """The prompts by id, as their files are now: those are looked at once a second."""
        if self._folder and time.monotonic() - self._looked_at >= _LOOK_SECONDS:
            self._looked_at = time.monotonic()
            self._files = {path: self._read_again(path) for path in self._paths()}
        own = [file.prompt for file in self._files.values() if file.prompt]
        return self._built_in | {prompt.id: prompt for prompt in own}

    def _read_again(self, path: Path) -> _File:
        """A file as it is now. One that has become bad leaves the prompt that it was before."""
        before = self._files.get(path, _File((), None))
        stamp = _stamp(path)
        if stamp == before.stamp:
            return before
        try:
            return _File(stamp, read_prompt(path))
        except BadSetting as error:
            _log.warning("%s; the version before it stays", error)
            return _File(stamp, before.prompt)

    def get(self, prompt_id: str, version: str | None) -> Prompt:
        """The prompt of this id. Raises InvalidRequest when there is none, or only another version."""
        known = self._known()
        prompt = known.get(prompt_id)
        if prompt is None:
            names = ", ".join(sorted(known))
            raise InvalidRequest(f"There is no prompt '{prompt_id}'; there are {names}.", param="prompt.id")
        if version not in (None, prompt.version, prompt.revision):
            raise InvalidRequest(
                f"Prompt '{prompt_id}' has version {prompt.version}, not {version}.", param="prompt.version"
            )
        return prompt


def _stamp(path: Path) -> tuple[int, ...]:
    """What differs when a file was written again; nothing of one that is gone."""
    with suppress(OSError):
        status = path.stat()
        return (status.st_ino, status.st_mtime_ns, status.st_size)
    return ()

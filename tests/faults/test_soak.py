"""Three quarters of a minute of kills of every process, with thirty jobs at a time and their viewers."""

from __future__ import annotations

import faulthandler
import logging
import secrets
from pathlib import Path

import pytest

from tests.support.soak import Soak, patient

SECONDS = 45

_log = logging.getLogger(__name__)


@pytest.mark.exclusive
@pytest.mark.timeout(SECONDS + 280)
def test_nothing_is_lost_nothing_is_doubled_nothing_is_left_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    faulthandler.cancel_dump_traceback_later()  # that it takes so long is no sign of a hang
    caplog.set_level(logging.INFO)
    seed = secrets.randbelow(10**6)
    _log.info("seed %d", seed)
    with patient(tmp_path / "data") as stack:
        soak = Soak(stack, seed)
        soak.run(SECONDS)
        soak.check()
        soak.check_leftovers()
    assert min(soak.counts[f"{kind} killed"] for kind in ("worker", "web", "redis")) > 2

"""How often a call that failed is made again, and for how long a server that is well is waited for."""

from __future__ import annotations

import pytest

from jobs.settings import Settings
from worker.model.errors import Cause, ModelError
from worker.model.retry_policy import RetryPolicy

PASSING = ModelError("dropped")
LASTING = ModelError("wrong key", transient=False)
LIMITED = ModelError("slow down", cause=Cause.LIMITED)
AWAY = ModelError("refused", cause=Cause.AWAY)


def policy(*, has_fallback: bool = False, **settings: float) -> RetryPolicy:
    return RetryPolicy(Settings.load(**settings), has_fallback=has_fallback)


def pauses(retries: RetryPolicy, error: ModelError, most: int = 50) -> list[float]:
    """The pauses before the tries after this error, again and again."""
    result = [pause for _ in range(most) if (pause := retries.pause(error)) is not None]
    assert retries.tries >= len(result)
    return result


def test_a_passing_fault_has_its_quick_tries_and_a_lasting_one_none() -> None:
    assert len(pauses(policy(), PASSING)) == 2
    assert len(pauses(policy(model_retries=0), PASSING)) == 0
    assert pauses(policy(), LASTING) == []


def test_a_server_that_is_well_is_waited_for_and_not_for_ever() -> None:
    limited, away = pauses(policy(), LIMITED), pauses(policy(), AWAY)
    assert len(limited) == len(away) == 50  # no second has passed yet
    assert max(limited) <= 25
    assert max(away) <= 2.5  # it is to be noticed soon when it is back
    assert len(pauses(policy(wait_seconds=0), LIMITED)) == 2
    assert len(pauses(policy(restart_seconds=0), AWAY)) == 2
    assert all(pause <= 7 for pause in pauses(policy(wait_seconds=7), LIMITED))


@pytest.mark.parametrize("error", [LIMITED, AWAY])
def test_another_model_is_asked_after_the_quick_tries(error: ModelError) -> None:
    assert len(pauses(policy(has_fallback=True), error)) == 2


def test_the_wish_of_the_server_is_kept() -> None:
    def limited(seconds: float) -> ModelError:
        return ModelError("slow down", cause=Cause.LIMITED, retry_after=seconds)

    first = policy().pause(limited(90))
    assert first is not None
    assert 90 <= first <= 90 * 1.25
    assert pauses(policy(), limited(0)) == [0, 0]  # to be asked at once takes no patience
    assert policy(wait_seconds=60).pause(limited(3600)) is None


def test_what_was_waited_for_does_not_use_up_the_quick_tries() -> None:
    retries = policy()
    assert len(pauses(retries, AWAY, 9)) == 9
    assert len(pauses(retries, PASSING, 9)) == 2
    assert len(pauses(retries, LIMITED, 9)) == 9

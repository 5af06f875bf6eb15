"""The example of a model without a server, in the worker's own process."""

from __future__ import annotations

import importlib
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.support.chains import pieces, run
from tests.support.up import ROOT
from worker.attempt_state import Reason
from worker.context import WorkerContext
from worker.model.cancellation import Cancellation, Stopped
from worker.model.chunks import ChunkReader, Kind
from worker.model.errors import ModelError

WORDS = ["<end>", "<other>", " ", ":", *"abcdefghijklmnopqrstuvwxyz"]


@pytest.fixture
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The example, with a tiny model whose weights are chance."""
    reason = "torch or transformers is not installed: pip install '.[transformers]'"
    torch = pytest.importorskip("torch", reason=reason)
    transformers = pytest.importorskip("transformers", reason=reason)
    tokenizers = pytest.importorskip("tokenizers", reason=reason)
    numbers = {word: number for number, word in enumerate(WORDS)}
    spelling = tokenizers.Tokenizer(tokenizers.models.WordLevel(numbers, unk_token="<other>"))
    spelling.pre_tokenizer = tokenizers.pre_tokenizers.Split("", "isolated")
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=spelling, eos_token="<end>", unk_token="<other>")
    tokenizer.chat_template = "{% for one in messages %}{{ one['role'] }}: {{ one['content'] }} {% endfor %}"
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=len(WORDS), n_positions=512, n_embd=16, n_layer=1, n_head=2, bos_token_id=0, eos_token_id=0
    )
    for part in (tokenizer, transformers.GPT2LMHeadModel(config)):
        part.save_pretrained(tmp_path)
    monkeypatch.syspath_prepend(ROOT / "examples")
    example = importlib.import_module("transformers_chain")
    monkeypatch.setattr(example, "MODEL", str(tmp_path))
    example.load.cache_clear()
    return example


def test_a_local_model_says_why_it_ended(context: WorkerContext, local: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "MAX_NEW_TOKENS", 12)
    for ends, reason, tokens in (([], "length", 12), (range(len(WORDS)), "stop", 1)):
        local.load()[1].generation_config.eos_token_id = list(ends) or None
        answer, texts = run(context, "transformers_chain:chain", input="explain tides")
        assert (answer.finish_reason, answer.usage and answer.usage["output_tokens"]) == (reason, tokens)
        assert texts[Kind.TEXT]


def test_a_local_model_that_fails_does_not_hang(
    context: WorkerContext, local: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "MAX_NEW_TOKENS", 0)
    with pytest.raises(ModelError, match="failed: ValueError: .*max_new_tokens"):
        run(context, "transformers_chain:chain", input="explain tides")


def test_a_local_model_stops_with_its_job(context: WorkerContext, local: Any) -> None:
    stop, before = Cancellation(), threading.active_count()
    answer_pieces = pieces(context, "transformers_chain:chain", "", stop, ChunkReader(), input="explain tides")
    next(answer_pieces)
    stop.request(Reason.CANCEL)
    with pytest.raises(Stopped):
        next(answer_pieces)
    assert threading.active_count() == before

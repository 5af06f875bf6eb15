"""Chains of users against the demo model: what they give becomes an answer, and none of them outlives its job."""

from __future__ import annotations

import importlib
import json
import logging
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel, GenericFakeChatModel
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.output_parsers import JsonOutputParser, StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable, RunnableGenerator, RunnableLambda
from pydantic import BaseModel, SecretStr

from jobs.settings import Settings
from jobs.transport.queue import Queue
from tests.support.job_factory import accepted
from tests.support.stack import DemoModel
from tests.support.up import ROOT
from worker.attempt_state import Reason
from worker.context import WorkerContext
from worker.model import runnables
from worker.model.cancellation import Cancellation, Stopped, Timeouts, current_call
from worker.model.chat_model import ChatModel
from worker.model.chunks import ChunkReader, Kind, Piece
from worker.model.errors import ModelError
from worker.model.request import ModelRequest

Chain = Runnable[Any, Any]
ASK = ChatPromptTemplate([("user", "{topic}")])
SECRET = "the patient's name"
PATIENCE = Timeouts(first=10, gap=60, total=600)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoModel]:
    model = DemoModel(tmp_path_factory.mktemp("demo"))
    yield model
    model.close()


@pytest.fixture(scope="module")
def context(demo: DemoModel, tmp_path_factory: pytest.TempPathFactory) -> WorkerContext:
    data = tmp_path_factory.mktemp("data")
    settings = Settings.load(data=data, openai_base_url=demo.url, openai_api_key="demo")
    return WorkerContext(settings, Queue(settings))


def pieces(
    context: WorkerContext, name: str, topic: str, stop: Cancellation, answer: ChunkReader, **body: Any
) -> Iterator[Piece]:
    """What a chain of this file says about a topic, as a generation hears it."""
    model_request = ModelRequest.for_job(accepted(**{"model": "demo+rate=0+tokens=20", **body}))
    with stop.call(PATIENCE) as call:
        whole_name = name if ":" in name else f"{__name__}:{name}"
        chunks = runnables.stream(context.models, model_request, whole_name, {"topic": topic, "language": "en"}, call)
        try:
            for piece in answer.pieces(chunks):
                if piece is not None:
                    yield piece
                call.check()
        finally:
            chunks.close()


def run(context: WorkerContext, name: str, topic: str = "tides", **body: Any) -> tuple[ChunkReader, dict[Kind, str]]:
    """The end of a chain's answer, and its texts."""
    answer, texts = ChunkReader(), dict.fromkeys(Kind, "")
    for kind, text in pieces(context, name, topic, Cancellation(), answer, **body):
        texts[kind] += text
    return answer, texts


# -- chains, as users write them -----------------------------------------------------------------------------------


def plain(model: BaseChatModel) -> Chain:
    return ASK | model


def parsed(model: BaseChatModel) -> Chain:
    return ASK | model | StrOutputParser()


def revised(model: BaseChatModel) -> Chain:
    draft = ASK | model.bind(max_tokens=4) | StrOutputParser()
    return {"topic": draft} | ASK | model | StrOutputParser()


def collected(model: BaseChatModel) -> Chain:
    def patient(message: AIMessage) -> str:
        call = current_call.get()
        assert call is not None
        call.check_silence(time.monotonic() + 30)  # longer than the patience for a first token
        return f"heard {len(message.text)}"

    return ASK | model | RunnableLambda(patient)


def branches(model: BaseChatModel) -> Chain:
    facts = ASK | model.bind(extra_body={"response_format": {"type": "json_object"}}) | JsonOutputParser()
    return RunnableLambda(lambda values: values) | {"text": parsed(model), "message": ASK | model, "facts": facts}


def growing(model: BaseChatModel) -> Chain:
    def grow(_: Iterator[Any]) -> Iterator[dict[str, Any]]:
        yield {"title": "Ti"}
        yield {"title": "Tides"}
        yield {"title": "Tides", "words": [1, 2]}

    return RunnableGenerator(grow)


class Tide(BaseModel):
    """What the structured output is to be."""

    answer: str


def structured(model: BaseChatModel) -> Chain:
    return ASK | model.with_structured_output(Tide, method="json_schema")


def told_reasons(reason: str) -> Chain:
    def say(_: Iterator[Any]) -> Iterator[AIMessageChunk]:
        yield AIMessageChunk(content="so far")
        yield AIMessageChunk(
            content="",
            response_metadata={"finish_reason": reason},
            usage_metadata={"input_tokens": 3, "output_tokens": 2, "total_tokens": 5},
        )

    return RunnableGenerator(say)


said_cut, said_whole = told_reasons("length"), told_reasons("stop")
shouted: Chain = RunnableLambda(lambda values: values["topic"].upper())
messages_in: Chain = RunnableLambda(lambda values: json.dumps(values["messages"]))
numbers: Chain = RunnableLambda(lambda _: 5)
a_stranger_inside: Chain = RunnableLambda(lambda _: {"a": object()})
mute: Chain = GenericFakeChatModel(messages=iter([AIMessage("no reason given")] * 9))
mute_model: Chain = ASK | mute | StrOutputParser()


def broken(model: BaseChatModel) -> Chain:
    def fail(_: Any) -> str:
        raise KeyError(SECRET)

    return RunnableLambda(fail)


def broken_behind_a_model(model: BaseChatModel) -> Chain:
    return parsed(model) | RunnableLambda(json.loads)


def exiting(model: BaseChatModel) -> Chain:
    return RunnableLambda(lambda _: sys.exit("no licence"))


def no_chain(model: BaseChatModel) -> Any:
    return 5


def with_fallback(model: ChatModel) -> Chain:
    second = model.model_copy(update={"model_name": "demo+rate=0+tokens=5"})
    return (parsed(model)).with_fallbacks([ASK | second | StrOutputParser()])


def foreign(model: ChatModel) -> Chain:
    """A model of the user's own: Penstock knows nothing of its connections."""
    own = ChatModel(
        model=model.model_name, base_url=model.openai_api_base, api_key=SecretStr("x"), max_retries=0, stream_usage=True
    )
    return ASK | own | StrOutputParser()


# -- what comes out ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["plain", "parsed"])
def test_text_is_heard_with_its_end_and_its_price(context: WorkerContext, name: str) -> None:
    answer, texts = run(context, name)
    assert texts[Kind.TEXT].startswith("*(Written")
    assert (answer.finish_reason, answer.usage and answer.usage["output_tokens"]) == ("stop", 20)


def test_reasoning_is_kept_apart(context: WorkerContext) -> None:
    _, texts = run(context, "plain", model="demo+rate=0+tokens=9+think=5")
    assert texts[Kind.REASONING]
    assert texts[Kind.REASONING] not in texts[Kind.TEXT]
    assert run(context, "parsed", model="demo+rate=0+tokens=9+think=5+field=tag")[1] == texts


def test_the_model_has_the_parameters_of_the_job(context: WorkerContext) -> None:
    answer, _ = run(context, "parsed", max_output_tokens=7)
    assert (answer.finish_reason, answer.usage and answer.usage["output_tokens"]) == ("length", 7)


def test_steps_add_up_and_the_worst_end_counts(context: WorkerContext) -> None:
    answer, texts = run(context, "revised")
    assert texts[Kind.TEXT]
    assert answer.usage is not None
    assert answer.usage["output_tokens"] == 24
    assert answer.finish_reason == "length"  # of the draft: nobody saw that it was cut off


def test_branches_add_up_to_json(context: WorkerContext) -> None:
    answer, texts = run(context, "branches", model="demo+rate=0")
    fields = json.loads(texts[Kind.TEXT])
    assert fields["text"] == fields["message"]
    assert fields["text"].startswith("*(Written")
    assert set(fields["facts"]) == {"answer"}
    assert answer.finish_reason == "stop"


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")  # langchain-openai's own
def test_objects_become_json_once_they_are_whole(context: WorkerContext) -> None:
    assert json.loads(run(context, "growing")[1][Kind.TEXT]) == {"title": "Tides", "words": [1, 2]}
    answer, texts = run(context, "structured", model="demo+rate=0")
    assert set(json.loads(texts[Kind.TEXT])) == {"answer"}
    assert answer.finish_reason == "stop"


def test_a_chain_without_a_model_ends_with_its_iterator_or_says_otherwise(context: WorkerContext) -> None:
    answer, texts = run(context, "shouted")
    assert (texts[Kind.TEXT], answer.finish_reason, answer.usage) == ("TIDES", "stop", None)
    for name, reason in (("said_cut", "length"), ("said_whole", "stop")):
        answer, texts = run(context, name)
        assert (texts[Kind.TEXT], answer.finish_reason) == ("so far", reason)
        assert answer.usage is not None
        assert (answer.usage["input_tokens"], answer.usage["output_tokens"]) == (3, 2)


def test_a_chain_is_told_the_messages(context: WorkerContext) -> None:
    _, texts = run(context, "messages_in", instructions="rule", input="hi")
    messages = [{"role": "system", "content": "rule"}, {"role": "user", "content": "hi"}]
    assert json.loads(texts[Kind.TEXT]) == messages


def test_tokens_that_a_chain_keeps_to_itself_are_signs_of_life(context: WorkerContext) -> None:
    for script in ("", "+think=9+tokens=0"):
        _, texts = run(context, "collected", model=f"demo+rate=0+tokens=20{script}")
        assert texts[Kind.TEXT].startswith("heard")


# -- ends that are none --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "script"), [("plain", "done=5"), ("parsed", "nodone=5"), ("revised", "fin=2"), ("branches", "done=5")]
)
def test_invariant_6_never_false_success(context: WorkerContext, name: str, script: str) -> None:
    with pytest.raises(ModelError, match="ended before its answer did") as caught:
        run(context, name, model=f"demo+rate=0+{script}")
    assert caught.value.transient


def test_a_model_that_never_says_why_it_ended_is_not_believed(context: WorkerContext) -> None:
    with pytest.raises(ModelError, match="ended before its answer did"):
        run(context, "mute_model")


@pytest.mark.parametrize(
    ("script", "words", "transient"),
    [("status=503", "answered 503", True), ("status=401", "answered 401", False), ("drop=3", "connection", True)],
)
def test_a_fault_of_the_server_is_one_as_in_any_job(
    context: WorkerContext, script: str, words: str, transient: bool
) -> None:
    with pytest.raises(ModelError, match=words) as caught:
        run(context, "parsed", model=f"demo+rate=0+{script}")
    assert caught.value.transient is transient


def test_a_chain_may_know_another_way(context: WorkerContext) -> None:
    answer, texts = run(context, "with_fallback", model="demo+rate=0+status=500")
    assert texts[Kind.TEXT]
    assert (answer.finish_reason, answer.usage and answer.usage["output_tokens"]) == ("stop", 5)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("broken", f"KeyError: .*{SECRET}"),
        ("broken_behind_a_model", "JSONDecodeError"),
        ("exiting", "exited: no licence"),
        ("numbers", "TypeError: it gave a int; text, AI messages and dicts"),
        ("a_stranger_inside", "Error: .*object"),
        ("no_chain", "TypeError: Expected a Runnable"),
        ("missing", "AttributeError"),
    ],
)
def test_an_error_of_the_users_ends_the_job_and_is_not_logged(
    context: WorkerContext, name: str, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(ModelError, match=f"^The chain {__name__}:{name} .*{words}") as caught:
        run(context, name)
    assert not caught.value.transient
    assert SECRET not in caplog.text


def test_what_a_server_refuses_is_done_without_from_then_on(context: WorkerContext) -> None:
    model = "demo+rate=0+tokens=9+nooptions"
    with pytest.raises(ModelError) as caught:
        run(context, "parsed", model=model)
    assert caught.value.transient  # so that it is asked again
    answer, texts = run(context, "parsed", model=model)
    assert texts[Kind.TEXT]
    assert answer.finish_reason == "stop"


def test_a_whole_answer_to_a_chain_that_streams_is_one(context: WorkerContext) -> None:
    answer, texts = run(context, "parsed", model="demo+rate=0+tokens=9+nostream")
    assert texts[Kind.TEXT]
    assert answer.finish_reason == "stop"


# -- stops ---------------------------------------------------------------------------------------------------------

STREAMS = {"plain": "plain", "with a parser": "parsed", "in branches": "branches", "kept to itself": "collected"}


@pytest.mark.parametrize("way", STREAMS)
@pytest.mark.parametrize(
    ("script", "event"), [("stall=5", "stalled"), ("first=600", "headers")], ids=["silent", "slow"]
)
def test_invariant_7_cancel_stops_the_spend_of_a_chain(
    context: WorkerContext, demo: DemoModel, way: str, script: str, event: str
) -> None:
    stop, topic = Cancellation(), f"{way}, {script}"
    ended = threading.Event()

    def read_to_end() -> None:
        with pytest.raises(Stopped):
            list(pieces(context, STREAMS[way], topic, stop, ChunkReader(), model=f"demo+rate=0+{script}"))
        ended.set()

    threading.Thread(target=read_to_end).start()
    demo.wait(topic, event)
    stopped_at = time.monotonic()
    stop.request(Reason.CANCEL)
    assert demo.wait(topic, "closed_by_client") - stopped_at < 2
    assert ended.wait(10)


@pytest.mark.parametrize("name", ["parsed", "foreign"])
@pytest.mark.parametrize("cancelled", [True, False])
def test_a_chain_that_is_left_does_not_read_its_model_to_the_end(
    context: WorkerContext, demo: DemoModel, name: str, cancelled: bool
) -> None:
    stop, topic = Cancellation(), f"{name} is left, {cancelled}"
    answer_pieces = pieces(context, name, topic, stop, ChunkReader(), model="demo+rate=50+tokens=3000")
    next(answer_pieces)
    if cancelled:
        stop.request(Reason.CANCEL)
        with pytest.raises(Stopped):
            next(answer_pieces)
    else:
        answer_pieces.close()  # type: ignore[attr-defined]
    demo.wait(topic, "closed_by_client")
    assert demo.stats(topic)["tokens"] < 1000


def test_a_cancelled_chain_asks_nobody_else(context: WorkerContext, demo: DemoModel) -> None:
    stop = Cancellation()
    answer_pieces = pieces(context, "with_fallback", "nobody else", stop, ChunkReader(), model="demo+stall=0")

    def cancel() -> None:
        demo.wait("nobody else", "stalled")
        stop.request(Reason.CANCEL)

    threading.Thread(target=cancel).start()
    with pytest.raises(Stopped):
        next(answer_pieces)
    assert demo.stats("nobody else")["requests"] == 1


def test_a_silent_chain_is_overdue(context: WorkerContext, demo: DemoModel) -> None:
    stop = Cancellation()

    def look() -> None:
        demo.wait("overdue", "stalled")
        stop.check_silence(time.monotonic() + 100)

    threading.Thread(target=look).start()
    with pytest.raises(ModelError, match="for 60 s"):
        list(pieces(context, "parsed", "overdue", stop, ChunkReader(), model="demo+stall=3"))


# -- the example of a model without a server -----------------------------------------------------------------------

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

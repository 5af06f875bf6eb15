"""One call to the model: its answer in pieces as they come, watched for silence and for the wish to stop."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import replace

from langchain_core.messages import AIMessage

from jobs.configuration.tables import ModelServer
from jobs.settings import Settings
from worker.attempt_state import Phase
from worker.model import runnables
from worker.model.answer.finish_reason import End
from worker.model.answer.model_chunk import ModelChunk
from worker.model.call import stream
from worker.model.cancellation import Call, Timeouts
from worker.model.chunks import ChunkReader, Slot, ToolCall
from worker.model.errors import ModelError
from worker.model.request import ModelRequest
from worker.writing.attempt_context import AttemptContext
from worker.writing.outcome import STOPPED

_SENTENCE_ENDS = tuple(".!?。！？…")


def stream_answer(
    attempt: AttemptContext, model_request: ModelRequest, write: Callable[[Slot, str], None]
) -> ChunkReader:
    """Ask the model once and hand over each piece of its answer. Raises ModelError, Stopped."""
    settings = attempt.context.settings
    model_request = replace(model_request, model=attempt.model)
    attempt.models.setdefault(model_request.model, None)
    server = settings.server_of(model_request.model)
    limits = attempt.context.owner_limits.of(attempt.claim.job.owner)
    answer = ChunkReader(limits.answer_characters, offers_tools=model_request.offers_tools)
    with (
        attempt.cancellation.call(_timeouts(settings, server)) as call,
        attempt.context.telemetry.model_call(attempt.model, call),
        closing(_chunks(attempt, model_request, call)) as chunks,
    ):
        try:
            for piece in answer.pieces(chunks):
                if answer.end is not None:
                    call.answer_ended()
                call.progress(text=piece is not None)
                if piece is not None:
                    attempt.writer.note_rate(len(piece[1]))
                    write(*piece)
                call.check(_phase(answer))
                if attempt.cancellation.is_winding_down and piece is not None and _ends_sentence(*piece):
                    answer.finish_reason = STOPPED
                    return answer
        except ModelError:
            call.check(_phase(answer))  # a socket that we shut fails like any other
            raise
        call.check(_phase(answer))
    answer.check_end()
    return answer


def _phase(answer: ChunkReader) -> Phase:
    """Behind the end of an answer comes no more text: a drain need not throw it away."""
    return Phase.WRITING if answer.end in (None, End.FAULT) else Phase.COMMITTING


def _timeouts(settings: Settings, server: ModelServer) -> Timeouts:
    first = settings.first_token_seconds if server.stream else settings.total_seconds
    return Timeouts(first, settings.gap_seconds, settings.total_seconds, settings.keepalive_seconds)


def _chunks(attempt: AttemptContext, model_request: ModelRequest, call: Call) -> Generator[ModelChunk | AIMessage]:
    """An answer, by the chain that the prompt names or else by ours."""
    prompt = attempt.claim.job.request.prompt
    if prompt and prompt.runnable:
        return runnables.stream(attempt.context.models, model_request, prompt.runnable, prompt.variables, call)
    return stream(attempt.context.models, model_request)


def _ends_sentence(kind: Slot, text: str) -> bool:
    if isinstance(kind, ToolCall):
        return False
    words = text.rstrip()
    return words.endswith(_SENTENCE_ENDS) or "\n" in text[len(words) :]

"""Penstock beside the same thing written by hand: first token, CPU time by viewers, what a reconnect is sent."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median

import psutil

from bench._results.results import parsed
from cli.launch.listening import listen
from tests.support.process import Process
from tests.support.redis_server import RedisServer
from tests.support.stack import Stack, running_stack, wait_for
from tests.support.up import clean_environment
from tests.support.wire import blocks, create, fetch, request

_TASKS, _APP = "bench._by_hand.tasks", "bench._by_hand.web:app"
_RATE = 50
# Jobs at once, viewers of each, tokens a second of each; 0 is as fast as they can be taken.
_LOADS = {
    "one job, one viewer": (1, 1, _RATE),
    "one job, 20 viewers": (1, 20, _RATE),
    "20 jobs, a viewer each": (20, 1, _RATE),
    "the same, unpaced": (20, 1, 0),
}
_UNITS = {"events a token": ("events a token", "")}
_FIRSTS = 10
# Characters after which a viewer's connection breaks; the text has about a thousand.
_SEEN = 500


@dataclass(frozen=True)
class System:
    """One of the two: its address, its processes by what they are, how a job is begun, what holds an event's text.

    `begin` takes the prompt and gives the path of the job's stream.
    """

    url: str
    processes: Mapping[str, int]
    begin: Callable[[str], str]
    field: str

    def view(self, stream: str, last_id: str = "") -> Generator[tuple[str, str]]:
        """The events of a stream as they come: id and text, each empty where there is none."""
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last_id} if last_id else {})
        with request(self.url, stream, headers=headers) as answer:
            for block in blocks(answer):
                fields = dict(line.split(": ", 1) for line in block.decode().strip().split("\n"))
                yield fields.get("id", ""), json.loads(fields.get("data", "{}")).get(self.field, "")

    def spent(self) -> Mapping[str, float]:
        """Seconds of CPU time that each part has used until now."""
        return {part: sum(map(_seconds, _family(pid))) for part, pid in self.processes.items()}

    def memory(self) -> float:
        """Megabytes that the worker alone has, all of its processes."""
        return sum(process.memory_full_info().uss for process in _family(self.processes["worker"])) / 1e6


def _family(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def _seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def penstock(running: Stack) -> System:
    """Ours."""
    processes = {"worker": running.workers[0].pid, "web": running.webs[0].pid, "Redis": running.redis_server.pid}

    def begin(prompt: str) -> str:
        return f"/v1/responses/{create(running.url, input=prompt)['id']}"

    return System(running.url, processes, begin, "delta")


@contextmanager
def by_hand(folder: Path, model_url: str) -> Iterator[System]:
    """Theirs, started with the commands of the tutorials, on a Redis and a socket like ours."""
    with RedisServer(folder) as server, listen("127.0.0.1", 0) as listener, ExitStack() as running:
        environment = clean_environment(
            BY_HAND_REDIS=server.url, BY_HAND_MODEL="demo", OPENAI_BASE_URL=model_url, OPENAI_API_KEY="demo"
        )
        commands = {
            "worker": ["celery", "-A", _TASKS, "worker", "--loglevel=info", "--concurrency=20"],
            "web": ["gunicorn", "-k", "gevent", "-b", f"fd://{listener.fd}", _APP],
        }
        processes = {
            name: Process([sys.executable, "-m", *command], folder / f"{name}.log", environment, (listener.fd,))
            for name, command in commands.items()
        }
        for process in processes.values():
            running.callback(process.kill)
        wait_for(lambda: b" ready." in processes["worker"].log.read_bytes(), 60)

        def begin(prompt: str) -> str:
            headers = {"Content-Type": "application/json"}
            body = json.dumps({"prompt": prompt}).encode()
            return f"/jobs/{fetch(listener.url, '/jobs', method='POST', headers=headers, body=body)[1]['id']}/stream"

        pids = {name: process.pid for name, process in processes.items()}
        yield System(listener.url, {**pids, "Redis": server.pid}, begin, "text")


def first_token(system: System) -> float:
    """Milliseconds from the question to the first text that a viewer has; the median of some jobs."""
    durations = []
    for number in range(_FIRSTS):
        began = time.perf_counter()
        events = system.view(system.begin(f"question {number} [[demo rate={_RATE} tokens=10]]"))
        next(text for _, text in events if text)
        durations.append((time.perf_counter() - began) * 1000)
        deque(events, maxlen=0)  # to its end, so that it is not in the next one's way
    return median(durations)


def load(system: System, jobs: int, viewers: int, rate: int, tokens: int) -> dict[str, float]:
    """Seconds of CPU time for 1,000 tokens, while so many jobs run, each with so many viewers.

    And how many events a viewer is sent for a token: fewer than one where text was merged, because somebody was late.
    """
    before = system.spent()
    prompts = [f"number {number} [[demo rate={rate} tokens={tokens}]]" for number in range(jobs)]
    streams = [system.begin(prompt) for prompt in prompts] * viewers
    with ThreadPoolExecutor(len(streams)) as threads:
        seen = list(threads.map(lambda stream: [len(text) for _, text in system.view(stream) if text], streams))
    after = system.spent()
    assert min(map(sum, seen)) > tokens, "a viewer has not got it all"
    cpu = {part: (after[part] - before[part]) * 1000 / (jobs * tokens) for part in before}
    events = mean(map(len, seen)) / tokens
    return {"worker + web": cpu["worker"] + cpu["web"], "Redis": cpu["Redis"], "events a token": events}


def sent_again(system: System) -> float:
    """What share of the text that a viewer has, who leaves in the middle and comes back, is sent once more, in %.

    Negative when some of it is never sent.
    """
    stream = system.begin(f"an interrupted one [[demo rate={_RATE} tokens=200]]")
    seen = ""
    events = system.view(stream)
    while len(seen) < _SEEN:
        last_id, text = next(events)
        seen += text
    events.close()
    rest = "".join(text for _, text in system.view(stream, last_id))
    whole = "".join(text for _, text in system.view(stream))
    return (len(seen) + len(rest) - len(whole)) * 100 / len(seen)


def measured(system: System, tokens: int) -> dict[tuple[str, str, str], float]:
    """Every case and figure with its unit, once."""
    rows = {("a job", "time to first token", "ms"): first_token(system)}
    for name, (jobs, viewers, rate) in _LOADS.items():
        for part, value in load(system, jobs, viewers, rate, tokens).items():
            rows[name, *_UNITS.get(part, (f"{part}, for 1,000 tokens", "CPU s"))] = value
    rows["worker", "memory", "MB"] = system.memory()
    return {**rows, ("reconnect", "text sent again", "%"): sent_again(system)}


def main() -> None:
    """Measure both in turns; takes some eight minutes."""
    arguments, results = parsed("by_hand", __doc__, tokens=1000, times=3)
    runs: dict[str, list[dict[tuple[str, str, str], float]]] = {"by hand": [], "Penstock": []}
    with tempfile.TemporaryDirectory() as folder, running_stack(Path(folder) / "data") as running:
        theirs = Path(folder) / "by_hand"
        theirs.mkdir()
        with by_hand(theirs, running.model.url) as other:
            systems = {"by hand": other, "Penstock": penstock(running)}
            for system in systems.values():
                first_token(system)  # the first jobs pay for what is imported late
            for _ in range(arguments.times):
                for name, system in systems.items():
                    runs[name].append(measured(system, arguments.tokens))
    for case, figure, unit in runs["Penstock"][0]:
        for name, of_system in runs.items():
            results.add(f"{case}, {name}", figure, unit, *(run[case, figure, unit] for run in of_system))


if __name__ == "__main__":
    main()

"""Log lines of greenlets and of threads of the system, at the same time: nobody waits for ever."""

from __future__ import annotations

import subprocess
import sys

# In a process of its own: gevent patches all of it.
PROGRAM = """
import gevent.monkey
gevent.monkey.patch_all()
import logging, os, sys
import gevent
from gevent.threadpool import ThreadPool
from web.http.native_locks import share_logging_with_threads

handler = logging.StreamHandler()
share_logging_with_threads()
sys.setswitchinterval(0.001)

def take(times):
    for _ in range(times):
        with logging._lock, handler.lock:
            pass

def take_in_turns():
    for _ in range(300):
        take(1)
        gevent.sleep(0)

threads = [ThreadPool(2).spawn(take, 200_000) for _ in range(2)]
greenlets = [gevent.spawn(take_in_turns) for _ in range(4)]
gevent.joinall(greenlets, timeout=20)
print(sum(greenlet.successful() for greenlet in greenlets), flush=True)
os._exit(0)  # the threads may go on
"""


def test_a_greenlet_wakes_when_a_thread_has_held_the_lock() -> None:
    argv = [sys.executable, "-c", PROGRAM]
    assert subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False).stdout == "4\n"

"""`run_app` with several processes, or with one that is started anew when the source changes.

The supervisor binds what there is to listen at, once, and every worker is given the sockets: a connection that arrives
while a worker is replaced waits until the next one takes it. A worker loads the application by its import string,
runs startup and cleanup of its own, and stops in aiohttp's order.

Workers are told to stop through pipes, and hear by them if the supervisor has gone. Signals mean this to it:

- SIGINT, SIGTERM: every worker stops. Again: at once, without waiting for handlers, nor long for the cleanup. A third
  time: without the cleanup. After that they are killed.
- SIGHUP (not while reloading): the workers are replaced one by one, each when its successor accepts connections.
"""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import queue
import signal
import sys
import threading
import time
from collections import deque
from multiprocessing import connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from framework.serving.listening import announce_wait
from framework.serving.process import SILENCE
from framework.serving.reload import watch
from framework.serving.worker import HELD_BACK, STOP, WorkerTask, work

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from framework.serving.sites import Site

__all__ = ["Supervisor", "check_task", "is_worker"]

logger = logging.getLogger("framework.server")

# "fork" would copy threads and event loops in whatever state they are.
_processes = multiprocessing.get_context("spawn")

_NAME = "run_app worker"

# A worker that has lived less long than this is replaced after as long a wait, in seconds.
_SHORT_LIFE = 1.0

# How long a worker may take to stop before it is killed for its successor, while reloading, in seconds.
_RELOAD_PATIENCE = 10.0

# The signals that make a supervisor lose patience.
_KILLING_SIGNAL = 4


def is_worker() -> bool:
    """Whether this process is a worker of a supervisor."""
    return multiprocessing.current_process().name.startswith(_NAME)


def check_task(task: WorkerTask) -> None:
    """TypeError for a task that cannot be handed to another process."""
    import pickle

    try:
        pickle.dumps(task)
    except Exception as exc:
        raise TypeError(
            f"run_app() hands its options to other processes, and cannot do so with one of them ({exc}). An access "
            f"log has to come from logging.getLogger(), its class has to be defined at the head of a module"
        ) from exc


class Supervisor:
    """Keeps worker processes running until it is told to stop.

    Args:
        task: what each of them does.
        count: how many.
        sites: what they listen at. Theirs for good is the caller's to close.
        announce: called once when all of them accept connections.
        print: told of changes of the source; None for silence.
        reload_from: start the workers anew when a ``*.py`` file below this folder changes.
        handle_signals: False leaves signals as they are; Ctrl+C stops it all the same.
    """

    def __init__(
        self,
        task: WorkerTask,
        count: int,
        sites: list[Site],
        *,
        announce: Callable[[], None],
        print: Callable[..., None] | None,
        reload_from: Path | None,
        handle_signals: bool,
    ) -> None:
        self._task = task
        self._count = count
        self._sites = sites
        self._sockets = [sock for site in sites for sock in site.sockets]
        self._announce = announce
        self._announced = False
        self._print = print
        self._reload_from = reload_from
        self._handle_signals = handle_signals
        self._workers: list[_Worker] = []
        # Signal handlers and threads put something in, `run` takes it out. put() may interrupt itself.
        self._events: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._stop_watching = threading.Event()
        # How often it was told to stop.
        self._stops = 0
        # Start anew when the workers have ended.
        self._restarting = False
        # Workers for SIGHUP to replace, after the one that is being replaced.
        self._to_replace: deque[_Worker] = deque()
        self._failure: str | None = None

    def run(self) -> None:
        """Run the workers, and return when all have been told to stop and have ended.

        Raises:
            SystemExit: a worker did not start, or did not stop cleanly. What it raised is on its stderr.
        """
        with self._signals():
            if self._reload_from is not None:
                arguments = (self._reload_from, self._stop_watching, self._hear_of_changes)
                threading.Thread(target=watch, args=arguments, daemon=True).start()
            try:
                # One alone: what is wrong with the application is said once.
                self._start_worker()
                while self._workers or not self._stops:
                    self._next_event()()
            finally:
                self._stop_watching.set()
                for worker in self._workers:
                    worker.kill()
        if self._failure is not None:
            sys.exit(self._failure)

    def _next_event(self) -> Callable[[], None]:
        while True:
            try:
                # Windows wakes nobody who waits without an end.
                return self._events.get(timeout=1.0)
            except queue.Empty:
                continue
            except KeyboardInterrupt:
                return self._stop

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        if not self._handle_signals:
            yield
            return

        def stop(number: int, frame: FrameType | None) -> None:
            self._events.put(self._stop)

        def replace(number: int, frame: FrameType | None) -> None:
            self._events.put(self._replace_all)

        before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        if hasattr(signal, "SIGHUP") and self._reload_from is None:
            before[signal.SIGHUP] = signal.signal(signal.SIGHUP, replace)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _start_worker(self, replaces: _Worker | None = None) -> None:
        worker = _Worker(self._task, self._sockets, self._events, self._note_listening, self._note_end, replaces)
        self._workers.append(worker)
        worker.start()

    def _note_listening(self, worker: _Worker) -> None:
        worker.listening = True
        if self._stops or self._restarting:
            return
        if worker.replaces is not None:
            worker.replaces.stop()
            return
        if worker.is_successor:
            # What it was to replace has died meanwhile.
            self._replace_next()
        self._refill()
        if not self._announced and all(other.listening for other in self._workers):
            self._announced = True
            self._announce()

    def _note_end(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        code = worker.finish()
        for other in self._workers:
            if other.replaces is worker:
                other.replaces = None
        if self._stops:
            # A successor that has not begun to serve is missed by nobody.
            if code and (worker.listening or not worker.is_successor):
                self._fail(f"run_app: {worker} ended with exit code {code}")
        elif self._restarting:
            if not self._workers:
                self._restarting = False
                self._start_worker()
        elif worker.told_to_stop:
            self._replace_next()
        elif self._reload_from is not None:
            self._say(f"======== The application has ended with exit code {code}; waiting for a change ========")
        elif worker.is_successor and not worker.listening:
            logger.error("%s did not start (exit code %s): the old workers stay", worker, code)
            self._to_replace.clear()
            self._refill()
        elif not worker.listening:
            self._fail(f"run_app: {worker} did not start (exit code {code}); what it raised is above")
            self._stop()
        else:
            logger.error("%s ended with exit code %s; starting another", worker, code)
            if worker.age() < _SHORT_LIFE:
                timer = threading.Timer(_SHORT_LIFE, self._events.put, [self._refill])
                timer.daemon = True
                timer.start()
            else:
                self._refill()

    def _refill(self) -> None:
        if not self._stops and not self._restarting:
            # A successor counts when the worker that it replaces has gone.
            for _ in range(self._count - len(self._workers) + len(self._being_replaced())):
                self._start_worker()

    def _being_replaced(self) -> list[_Worker]:
        return [worker.replaces for worker in self._workers if worker.replaces is not None]

    def _fail(self, reason: str) -> None:
        self._failure = self._failure or reason

    def _stop(self) -> None:
        self._stops += 1
        self._stop_watching.set()
        # What has been queued by now is the workers' to accept. Nobody would take what came later.
        for site in self._sites:
            site.hold_back()
        for worker in self._workers:
            if self._stops < _KILLING_SIGNAL:
                worker.stop(self._stops)
            else:
                worker.kill()
        if self._stops == 1:
            timer = threading.Timer(SILENCE, self._events.put, [self._say_wait])
            timer.daemon = True
            timer.start()

    def _say_wait(self) -> None:
        if self._stops == 1 and self._workers:
            self._say(announce_wait(self._task.server_options.shutdown_timeout))

    def _replace_all(self) -> None:
        if self._stops or not self._announced:
            return
        self._say("======== Replacing the workers ========")
        under_way = self._being_replaced()
        self._to_replace = deque(worker for worker in self._workers if worker not in under_way)
        if not under_way:
            self._replace_next()

    def _replace_next(self) -> None:
        while self._to_replace:
            worker = self._to_replace.popleft()
            if worker in self._workers:
                self._start_worker(replaces=worker)
                return

    def _hear_of_changes(self, paths: list[Path]) -> None:
        self._events.put(lambda: self._restart(paths))

    def _restart(self, paths: list[Path]) -> None:
        if self._stops:
            return
        names = [_shown(path) for path in paths[:3]] + (["..."] if len(paths) > 3 else [])
        self._say(f"======== {', '.join(names)} changed: reloading ========")
        if not self._workers:
            self._start_worker()
            return
        self._restarting = True
        for worker in self._workers:
            if not worker.told_to_stop:
                worker.stop()
                timer = threading.Timer(_RELOAD_PATIENCE, worker.kill)
                timer.daemon = True
                timer.start()

    def _say(self, message: str) -> None:
        if self._print is not None:
            self._print(message)


class _Worker:
    """A worker process, from the supervisor's side."""

    def __init__(
        self,
        task: WorkerTask,
        sockets: list[Any],
        events: queue.SimpleQueue[Callable[[], None]],
        note_listening: Callable[[_Worker], None],
        note_end: Callable[[_Worker], None],
        replaces: _Worker | None,
    ) -> None:
        self.listening = False
        self._stops = 0
        self.is_successor = replaces is not None
        #: What it is to replace, as long as that is there.
        self.replaces = replaces
        self._events = events
        self._note_listening = note_listening
        self._note_end = note_end
        self._channel, self._far_end = _processes.Pipe()
        self._process = _processes.Process(target=work, args=(task, sockets, self._far_end), name=_NAME)
        self._pid: int | None = None
        self._started = time.monotonic()

    def __str__(self) -> str:
        return f"worker {self._pid}"

    def start(self) -> None:
        """Start the process, and a thread that puts into the queue what becomes of it."""
        with _signals_held_back():
            self._process.start()
        self._pid = self._process.pid
        # Else its end of the pipe would stay open when it has gone.
        self._far_end.close()
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        with contextlib.suppress(EOFError, OSError):
            while True:
                self._channel.recv()
                self._events.put(lambda: self._note_listening(self))
        connection.wait([self._process.sentinel])
        self._events.put(lambda: self._note_end(self))

    @property
    def told_to_stop(self) -> bool:
        """Whether it will end, and is not missed."""
        return self._stops > 0

    def stop(self, times: int = 1) -> None:
        """Have it told to stop so many times, in all; the second time means to wait no longer."""
        # It may have ended.
        with contextlib.suppress(OSError):
            while self._stops < times:
                self._stops += 1
                self._channel.send(STOP)

    def kill(self) -> None:
        """End it without a word, if it runs."""
        # ValueError: it has been closed.
        with contextlib.suppress(ValueError):
            self._process.kill()

    def age(self) -> float:
        """Seconds since it was started."""
        return time.monotonic() - self._started

    def finish(self) -> int | None:
        """Its exit code, after its end; negative for the signal that ended it."""
        self._process.join()
        code = self._process.exitcode
        self._process.close()
        self._channel.close()
        return code


@contextlib.contextmanager
def _signals_held_back() -> Iterator[None]:
    """Hold signals back in the process that is started meanwhile, until it says what it does with them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    from multiprocessing import resource_tracker

    # It would be started with the first worker, and let them through again.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, HELD_BACK)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _shown(path: Path) -> str:
    try:
        return os.fspath(path.relative_to(Path.cwd()))
    except ValueError:
        return os.fspath(path)

"""What runs in a worker process of `run_app`: it loads the application by its name and serves it."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

from framework.serving.import_strings import ImportStringError, load_application
from framework.serving.process import AppOptions, ServingProcess, new_event_loop
from framework.serving.program_errors import show_exception
from framework.serving.sites import Site

if TYPE_CHECKING:
    import asyncio
    import socket

    from framework.serving.servers import ServerOptions

__all__ = ["HELD_BACK", "LISTENING", "STOP", "WorkerTask", "work"]

#: What a worker sends to the supervisor once it accepts connections.
LISTENING = "listening"
#: What the supervisor sends: once to stop, again to wait no longer.
STOP = "stop"
#: Signals that are held back in a worker until it has said what it does with them.
HELD_BACK = {getattr(signal, name) for name in ("SIGINT", "SIGHUP", "SIGTERM") if hasattr(signal, name)}

# How long a worker that was sent SIGTERM waits for its supervisor to say what that means, in seconds.
_SUPERVISOR_PATIENCE = 0.5


class WorkerTask(NamedTuple):
    """What a worker is to do. It can be pickled."""

    import_string: str
    server_options: ServerOptions
    app_options: AppOptions
    #: Leave standard input to the worker, for a debugger.
    keep_stdin: bool = False


def work(task: WorkerTask, sockets: list[socket.socket], channel: Any) -> None:
    """Serve on sockets that are bound, until ``channel`` says STOP or the supervisor has gone.

    Args:
        task: what to serve, and how.
        sockets: listen on these.
        channel: the worker's end of a `multiprocessing.Pipe`.
    """
    # A terminal sends Ctrl+C, and its own end, to every process; the supervisor passes on what it is to mean.
    for name in ("SIGINT", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    if task.keep_stdin:
        # multiprocessing has opened /dev/null for it.
        with contextlib.suppress(OSError):
            sys.stdin = open(0, closefd=False)  # noqa: SIM115

    async def listen(sites: list[Site]) -> None:
        sites.append(Site(sockets, ""))

    process = ServingProcess(
        task.server_options,
        task.app_options,
        listen=listen,
        announce=lambda sites: channel.send(LISTENING),
        signals=(),
    )
    loop = new_event_loop()
    try:
        orders = _Orders(loop, process)
        with contextlib.suppress(NotImplementedError):
            # Windows has no such signals.
            loop.add_signal_handler(signal.SIGTERM, orders.hear_signal)
        if hasattr(signal, "pthread_sigmask"):
            # The supervisor has held them back until here.
            signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD_BACK)
        threading.Thread(target=orders.hear_supervisor, args=(channel,), daemon=True).start()
        process.run(loop, load_application(task.import_string))
    except ImportStringError as exc:
        # A traceback would show the framework and nothing of the program.
        sys.exit(f"error: {exc}")
    except Exception as exc:
        # multiprocessing would show itself above it.
        show_exception(exc)
        sys.exit(1)
    finally:
        loop.close()


class _Orders:
    """Who has told a worker to stop, and how often.

    SIGTERM may come from somebody who means this worker, which then stops by itself. But systemd and others send it to
    every process of a service: then the supervisor says STOP as well, and that counts as the same order.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, process: ServingProcess) -> None:
        self._loop = loop
        self._process = process
        self._signals = 0
        self._stops = 0
        self._obeyed = 0

    def hear_signal(self) -> None:
        """SIGTERM; for the loop."""
        self._signals += 1
        self._loop.call_later(_SUPERVISOR_PATIENCE, lambda: self._obey(self._signals))

    def hear_supervisor(self, channel: Any) -> None:
        """STOP, until the supervisor has gone; for a thread."""
        with contextlib.suppress(EOFError, OSError):
            while True:
                channel.recv()
                self._stops += 1
                self._call_soon(self._stops)
        self._call_soon(max(self._stops, 1))

    def _call_soon(self, told: int) -> None:
        # RuntimeError: the loop is closed, the process is about to end.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._obey, told)

    def _obey(self, told: int) -> None:
        while self._obeyed < told:
            self._obeyed += 1
            self._process.stop()

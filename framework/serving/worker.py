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

__all__ = ["LISTENING", "STOP", "WorkerTask", "work"]

#: What a worker sends to the supervisor once it accepts connections.
LISTENING = "listening"
#: What the supervisor sends: once to stop, again to wait no longer.
STOP = "stop"


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
    # A terminal sends Ctrl+C to every process; the supervisor passes it on once.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(AttributeError, ValueError):
        # The supervisor kept it back while this process had not said what to do with it.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
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
        signals=[signal.SIGTERM],
    )
    loop = new_event_loop()
    try:
        threading.Thread(target=_obey, args=(channel, loop, process), daemon=True).start()
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


def _obey(channel: Any, loop: asyncio.AbstractEventLoop, process: ServingProcess) -> None:
    while True:
        try:
            channel.recv()
        except (EOFError, OSError):
            break
        _stop(loop, process)
    _stop(loop, process)


def _stop(loop: asyncio.AbstractEventLoop, process: ServingProcess) -> None:
    # RuntimeError: the loop is closed, the process is about to end.
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(process.stop)

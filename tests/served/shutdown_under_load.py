"""What becomes of requests when a server is told to stop under load: `scripts/shutdown-under-load`.

A server is started as a process of its own. Clients, 64 by default, ask it for one thing after the other; in the
middle of that it gets SIGTERM, and the clients go on until their connections are refused. Every request ends as one
of these:

answered
    A complete response came.
cut
    It was given up after the server had begun with it: the handler had started, or octets of the response had come.
    Nobody can tell whether it was done, so nobody may repeat it. Has to be 0.
dropped
    It was sent on a new connection, which the system had accepted, and no octet came back. The server owes it an
    answer all the same: a client that has just connected has no reason to think of its connection as idle. Has to be
    0 as well.
retryable
    It was sent on a connection that had had a response before, which the server closed without an octet of an answer
    and without having started a handler. HTTP cannot exclude that: "a client, server, or proxy MAY close the
    transport connection at any time", and one that closes a connection which it believes idle may cross a request
    (RFC 9112, section 9.5). Such a request was not processed, and clients repeat it by themselves if it is
    idempotent (RFC 9110, section 9.2.2). A server that says `Connection: close` in its last response (RFC 9112,
    section 9.6), and reads what has arrived before it closes, has few or none of them.
refused
    There was no connection to send it on.

A server that begins to listen again, or workers that are started anew, are not what this measures.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import itertools
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]

# Each handler notes that it has started before it does anything else. One write to a file opened for appending is
# not cut by others, whichever process it is from.
_APP = """
import asyncio, os

from framework import web

started = os.open(os.environ["STARTED"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)


async def answer(request):
    number = request.match_info["number"]
    os.write(started, number.encode() + b"\\n")
    body = await request.read()
    await asyncio.sleep(int(number) % 20 / 1000)
    return web.Response(text=f"{number} {len(body)} " + "." * 2000)


app = web.Application()
app.router.add_route("*", "/{number}", answer)
"""

_RUN_APP = """
import os, sys

from framework import web

if __name__ == "__main__":
    sys.path.insert(0, os.getcwd())
    web.run_app({app}, host="127.0.0.1", port={port}, print=None, access_log=None{options})
"""

#: What is started, by the name of the server.
COMMANDS: dict[str, list[str]] = {
    "run_app": [],
    "runner": [],
    "aiohttp": [],
    "uvicorn": ["uvicorn", "--port", "{port}", "--workers", "{workers}", "--log-level", "error", "load:app"],
    "hypercorn": ["hypercorn", "--bind", "127.0.0.1:{port}", "--workers", "{workers}", "load:app"],
    "granian": ["granian", "--interface", "asgi", "--port", "{port}", "--workers", "{workers}", "load:app"],
    "gunicorn": [
        *("gunicorn", "--bind", "127.0.0.1:{port}", "--workers", "{workers}", "--log-level", "error"),
        *("-k", "uvicorn_worker.UvicornWorker", "load:app"),
    ],
    "gunicorn-asgi": [
        *("gunicorn", "--bind", "127.0.0.1:{port}", "--workers", "{workers}", "--log-level", "error"),
        *("-k", "asgi", "load:app"),
    ],
    "daphne": ["daphne", "-p", "{port}", "load:app"],
}

_RUNNER = """
import asyncio, signal, sys

import load
from framework import web
from framework.serving.process import new_event_loop


async def main():
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    runner = web.AppRunner(load.app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", {port}).start()
    await stop.wait()
    await runner.cleanup()


with asyncio.Runner(loop_factory=new_event_loop) as runner:
    runner.run(main())
"""


class Result(NamedTuple):
    """What became of the requests of one run, the server's exit code, and how long it took to end, in seconds."""

    answered: int
    cut: int
    dropped: int
    retryable: int
    refused: int
    exit_code: int | None
    seconds: float
    #: What was seen of requests that were cut, dropped or retryable.
    notes: list[str]
    stderr: str

    @property
    def is_clean(self) -> bool:
        """Whether nothing was lost, and the server has ended by itself."""
        return self.cut == self.dropped == 0 and self.exit_code in (0, -signal.SIGTERM)

    def __str__(self) -> str:
        parts = (f"{name} {getattr(self, name)}" for name in ("answered", "cut", "dropped", "retryable", "refused"))
        return f"{', '.join(parts)}; exit code {self.exit_code} after {self.seconds:.2f} s"


class _Load:
    """The clients, and what has become of their requests."""

    def __init__(self, port: int, *, keep_alive: bool, enough: int, context: ssl.SSLContext | None) -> None:
        self.port = port
        self.keep_alive = keep_alive
        self.context = context
        #: Set when so many requests were answered.
        self.warm = asyncio.Event()
        self.enough = enough
        self.counts: collections.Counter[str] = collections.Counter()
        #: Requests without a complete response: number, whether the connection was new, whether octets had come, why.
        self.failed: list[tuple[int, bool, bool, str]] = []
        self._numbers = itertools.count()

    async def client(self) -> None:
        """Ask until the server is there no more."""
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=self.context)
            except ConnectionRefusedError:
                self.counts["refused"] += 1
                return
            except OSError:
                # It was reset while it was made, or in the middle of TLS's handshake.
                self.counts["refused"] += 1
                continue
            try:
                await self._ask_on(reader, writer)
            finally:
                writer.transport.abort()

    async def _ask_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Ask on one connection until it is closed."""
        for count in itertools.count():
            number = next(self._numbers)
            body = b"x" * 1000 if number % 4 == 0 else b""
            head = f"{'POST' if body else 'GET'} /{number} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            if body:
                head += f"Content-Length: {len(body)}\r\n"
            if not self.keep_alive:
                head += "Connection: close\r\n"
            began = False
            try:
                writer.write(head.encode() + b"\r\n" + body)
                await writer.drain()
                began = bool(first := await reader.read(1))
                if not began:
                    raise EOFError("closed")
                response = (first + await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(response.partition(b"content-length: ")[2].split(b"\r\n")[0])
                content = await reader.readexactly(length)
                if not response.startswith(b"http/1.1 200") or not content.startswith(b"%d %d " % (number, len(body))):
                    raise ValueError(f"answered {(response + content)[:40]!r}")
            except (OSError, EOFError, ValueError, asyncio.IncompleteReadError) as exc:
                self.failed.append((number, count == 0, began, repr(exc)))
                return
            self.counts["answered"] += 1
            if self.counts["answered"] >= self.enough:
                self.warm.set()
            if b"\r\nconnection: close\r\n" in response:
                return


def _command(server: str, port: int, workers: int, folder: Path, options: str, arguments: list[str]) -> list[str]:
    if server in {"run_app", "aiohttp"}:
        app = '"load:app"' if workers > 1 else '__import__("load").app'
        source = _RUN_APP.format(app=app, port=port, options=options)
        if server == "run_app":
            source = source.replace("access_log=None", f"access_log=None, workers={workers}")
        else:
            # What the same program does in aiohttp's own server.
            for path, text in ((folder / "load.py", _APP), (folder / "main.py", source)):
                path.write_text(text.replace("from framework import web", "from aiohttp import web"))
            return [sys.executable, "main.py"]
        (folder / "main.py").write_text(source)
        return [sys.executable, "main.py"]
    if server == "runner":
        (folder / "main.py").write_text(_RUNNER.format(port=port))
        return [sys.executable, "main.py"]
    name, *rest = (part.format(port=port, workers=workers) for part in COMMANDS[server])
    return [str(Path(sys.executable).with_name(name)), *rest, *arguments]


async def run_once(
    server: str = "run_app",
    *,
    connections: int = 64,
    keep_alive: bool = True,
    workers: int = 1,
    enough: int = 1000,
    timeout: float = 30.0,
    options: str = "",
    arguments: list[str] | None = None,
    certificate: tuple[Path, Path] | None = None,
    group: bool = False,
) -> Result:
    """Start a server, send it SIGTERM when so many requests were answered, and count.

    Args:
        server: one of `COMMANDS`.
        connections: how many clients ask at the same time.
        keep_alive: ask again on the same connection, or on a new one for each request.
        workers: how many processes serve.
        enough: how many requests are answered before the signal.
        timeout: seconds that the server has to end, before it is killed.
        options: more arguments of run_app, as source: ``", shutdown_timeout=5"``.
        arguments: more arguments of a command.
        certificate: PEM files of a certificate and its key; run_app speaks TLS.
        group: send the signal to all processes of the server at once, as systemd does by default.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "load.py").write_text(_APP)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        context = None
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            options += f", ssl_certfile={str(certificate[0])!r}, ssl_keyfile={str(certificate[1])!r}"
        command = _command(server, port, workers, folder, options, arguments or [])
        environment = {**os.environ, "STARTED": str(folder / "started"), "PYTHONPATH": str(ROOT)}
        with (folder / "stderr").open("wb") as stderr:
            process = subprocess.Popen(
                command,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=stderr,
                stderr=stderr,
                start_new_session=group,
            )
        try:
            load = _Load(port, keep_alive=keep_alive, enough=enough, context=context)
            await _until_listening(process, port)
            clients = [asyncio.create_task(load.client()) for _ in range(connections)]
            await asyncio.wait_for(load.warm.wait(), timeout)
            if group:
                os.killpg(process.pid, signal.SIGTERM)
            else:
                process.send_signal(signal.SIGTERM)
            told = time.monotonic()
            while process.poll() is None and time.monotonic() < told + timeout:
                await asyncio.sleep(0.01)
            seconds = time.monotonic() - told
            exit_code = process.poll()
            if exit_code is not None:
                await asyncio.wait(clients, timeout=timeout)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
        for client in clients:
            client.cancel()
        await asyncio.gather(*clients, return_exceptions=True)
        started = set((folder / "started").read_bytes().split())
        errors = (folder / "stderr").read_text(errors="replace")
    counts = load.counts
    notes = []
    for number, is_new, began, why in load.failed:
        began = began or b"%d" % number in started
        kind = "cut" if began else "dropped" if is_new else "retryable"
        counts[kind] += 1
        notes.append(f"{kind}: request {number}, {why}")
    return Result(
        answered=counts["answered"],
        cut=counts["cut"],
        dropped=counts["dropped"],
        retryable=counts["retryable"],
        refused=counts["refused"],
        exit_code=exit_code,
        seconds=seconds,
        notes=notes,
        stderr=errors,
    )


async def _until_listening(process: subprocess.Popen[bytes], port: int) -> None:
    while process.poll() is None:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionRefusedError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return
    raise RuntimeError(f"the server ended with exit code {process.returncode} before it listened")


def main() -> int:
    """The command line; the exit code is 1 where a request was cut or dropped, or the server did not end well."""
    parser = argparse.ArgumentParser(
        prog="scripts/shutdown-under-load", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--server", choices=list(COMMANDS), default="run_app")
    parser.add_argument("--times", type=int, default=10, help="runs of each mode (10)")
    parser.add_argument("--connections", type=int, default=64, help="clients (64)")
    parser.add_argument("--mode", choices=["keep-alive", "new", "both"], default="both", help="of connections (both)")
    parser.add_argument("--workers", type=int, default=1, help="processes (1)")
    parser.add_argument("--group", action="store_true", help="send the signal to every process, as systemd does")
    parser.add_argument("--requests", type=int, default=1000, help="answered before the signal (1000)")
    parser.add_argument("--timeout", type=float, default=30.0, help="seconds that the server has to end (30)")
    parser.add_argument("--options", default="", help="more of run_app's arguments: ', shutdown_timeout=5'")
    parser.add_argument("--tls", nargs=2, type=Path, metavar=("CERT", "KEY"), help="PEM files; only run_app")
    parser.add_argument("arguments", nargs="*", help="more arguments of the server's command, after --")
    given = parser.parse_args()
    failures = 0
    for mode in ["keep-alive", "new"] if given.mode == "both" else [given.mode]:
        for _ in range(given.times):
            result = asyncio.run(
                run_once(
                    given.server,
                    connections=given.connections,
                    keep_alive=mode == "keep-alive",
                    workers=given.workers,
                    enough=given.requests,
                    timeout=given.timeout,
                    options=given.options,
                    arguments=given.arguments,
                    certificate=given.tls,
                    group=given.group,
                )
            )
            failures += not result.is_clean
            print(f"{given.server}, {mode}: {result}")  # noqa: T201
            for note in result.notes[:5]:
                print(f"    {note}")  # noqa: T201
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

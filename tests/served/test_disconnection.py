"""Clients that leave, on each ASGI server: what the handler is told, and what is cancelled."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import h2.config
import h2.connection
import h2.events
import httpx
import pytest

from tests.served.test_example import PATIENCE, PROJECT, free_port, wait_until_listening

PROGRAM = """
import asyncio
import os

from framework import web

log = []


def reporting(handler):
    async def report(request):
        name = request.query["name"]
        log.append(f"{name} begun")
        try:
            response = await handler(request)
        except BaseException as exc:
            await asyncio.sleep(0.01)
            log.append(f"{name} {type(exc).__name__}")
            raise
        log.append(f"{name} ended")
        return response

    return report


async def wait(request):
    await asyncio.sleep(60)


async def told(request):
    await request.wait_for_disconnection()
    return web.Response()


async def unmoved(request):
    try:
        await request.wait_for_disconnection()
        await asyncio.sleep(0.1)
    except asyncio.CancelledError:
        # What wait_for_disconnection() does not raise, the cancellation does.
        pass
    return web.Response(text="to nobody")


async def read(request):
    return web.Response(body=await request.read())


async def stream(request):
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b"x" * 1000)
        await asyncio.sleep(0.01)


async def pause(request):
    await asyncio.sleep(0.05)
    return web.Response(text="answered")


async def push(request):
    ws = web.WebSocketResponse()
    await ws.prepare(request)
    await asyncio.sleep(60)


async def show_log(request):
    return web.json_response(log)


app = web.Application(handler_cancellation=os.environ["CANCEL"] == "yes")
for handler in (wait, told, unmoved, read, stream, pause, push):
    app.router.add_route("*", f"/{handler.__name__}", reporting(handler))
app.router.add_get("/log", show_log)
"""

UVICORN = ["uvicorn", "program:app", "--port", "{port}"]
GRANIAN = ["granian", "--interface", "asgi", "program:app", "--port", "{port}"]
COMMANDS = {
    "uvicorn-httptools": [*UVICORN, "--http", "httptools"],
    "uvicorn-h11": [*UVICORN, "--http", "h11", "--loop", "asyncio"],
    "hypercorn": ["hypercorn", "program:app", "--bind", "127.0.0.1:{port}"],
    "granian": GRANIAN,
}
#: Those that speak HTTP/2 without TLS, to clients that begin with it.
HTTP2 = ("hypercorn", "granian")


class Server:
    """A running server, as clients see it that are about to leave."""

    def __init__(self, port: int, output: Path) -> None:
        self.port = port
        self.output = output

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port))

    def log(self) -> list[str]:
        """What the handlers have reported."""
        log: list[str] = httpx.get(f"http://127.0.0.1:{self.port}/log", trust_env=False, timeout=PATIENCE).json()
        return log

    def reported(self, name: str, *ends: str) -> str:
        """The first of `ends` that the handler of the request called `name` reports."""
        give_up = time.monotonic() + PATIENCE
        while time.monotonic() < give_up:
            log = self.log()
            for end in ends:
                if f"{name} {end}" in log:
                    return end
            time.sleep(0.02)
        raise AssertionError(f"{name}: none of {ends} in {log}")

    def left(self, target: str, name: str, *, body: bytes = b"", length: int = 0) -> str:
        """How the handler of a request ends whose client has closed the connection when it had begun."""
        method = "POST" if length else "GET"
        head = f"{method} {target}?name={name} HTTP/1.1\r\nHost: a\r\n"
        framing = f"Content-Length: {length}\r\n" if length else ""
        with self.connect() as connection:
            connection.sendall(f"{head}{framing}\r\n".encode() + body)
            self.reported(name, "begun")
        return self.reported(name, "ended", "CancelledError", "ClientConnectionResetError")


@contextlib.contextmanager
def served(command: list[str], folder: Path, *, cancels: bool) -> Iterator[Server]:
    """Run PROGRAM, whose handlers are cancelled if `cancels`; nothing that it prints may tell of an error."""
    (folder / "program.py").write_text(PROGRAM)
    port = free_port()
    output = folder / "output"
    with output.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", *(part.format(port=port) for part in command)],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(PROJECT), "CANCEL": "yes" if cancels else "no"},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until_listening(process, port, output)
        yield Server(port, output)
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module", params=COMMANDS)
def cancelling(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Each server in turn, with `handler_cancellation=True`."""
    with served(COMMANDS[request.param], tmp_path_factory.mktemp("cancelling"), cancels=True) as server:
        yield server
    assert "Traceback" not in server.output.read_text(), server.output.read_text()


@pytest.fixture(scope="module", params=COMMANDS)
def default(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Each server in turn, without."""
    with served(COMMANDS[request.param], tmp_path_factory.mktemp("default"), cancels=False) as server:
        yield server
    assert "Traceback" not in server.output.read_text(), server.output.read_text()


# --- handler_cancellation=True --------------------------------------------------------------------


@pytest.mark.parametrize("target", ["/wait", "/stream"])
def test_a_handler_is_cancelled(cancelling: Server, target: str) -> None:
    assert cancelling.left(target, f"cancelled{target}") == "CancelledError"


def test_a_handler_that_reads_is_cancelled(cancelling: Server) -> None:
    assert cancelling.left("/read", "half", body=b"half", length=10) == "CancelledError"


@pytest.mark.parametrize("size", [4, 40_000])
def test_a_handler_that_leaves_the_body_alone_is_cancelled(cancelling: Server, size: int) -> None:
    assert cancelling.left("/wait", f"unread-{size}", body=bytes(size), length=40_000) == "CancelledError"


def test_a_handler_may_ignore_it(cancelling: Server) -> None:
    assert cancelling.left("/unmoved", "unmoved") == "ended"


def test_a_handler_of_a_websocket_is_cancelled(cancelling: Server) -> None:
    with cancelling.connect() as connection:
        connection.sendall(
            b"GET /push?name=socket HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        assert connection.recv(12) == b"HTTP/1.1 101"
    assert cancelling.reported("socket", "ended", "CancelledError") == "CancelledError"


def test_a_client_that_stays(cancelling: Server) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{cancelling.port}", trust_env=False, timeout=PATIENCE) as client:
        for number in range(3):
            assert client.get("/pause", params={"name": f"stays-{number}"}).text == "answered"
            assert client.post("/pause", params={"name": f"posts-{number}"}, content=bytes(200_000)).text == "answered"
    stayed = [entry.partition(" ")[2] for entry in cancelling.log() if entry.startswith(("stays", "posts"))]
    assert stayed == ["begun", "ended"] * 6


def test_two_requests_at_once(cancelling: Server) -> None:
    """The second request of a connection that comes before the first was answered is no end of its client."""
    requests = [f"GET /pause?name=pipelined-{number} HTTP/1.1\r\nHost: a\r\n\r\n".encode() for number in range(2)]
    with cancelling.connect() as connection:
        connection.sendall(b"".join(requests))
        received = b""
        while received.count(b"answered") < 2:
            received += connection.recv(65536)
    assert cancelling.reported("pipelined-0", "ended", "CancelledError") == "ended"
    assert cancelling.reported("pipelined-1", "ended", "CancelledError") == "ended"


@pytest.fixture(scope="module", params=HTTP2)
def cancelling_http2(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with served(COMMANDS[request.param], tmp_path_factory.mktemp("http2"), cancels=True) as server:
        yield server
    assert "Traceback" not in server.output.read_text(), server.output.read_text()


@pytest.mark.parametrize("how", ["reset", "close"])
@pytest.mark.parametrize("target", ["/wait", "/read", "/stream"])
def test_http2(cancelling_http2: Server, target: str, how: str) -> None:
    """A client that gives up one stream, and one that closes the connection."""
    server = cancelling_http2
    name = f"{target}-{how}"
    with server.connect() as connection:
        protocol = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        protocol.initiate_connection()
        headers = [
            (":method", "POST" if target == "/read" else "GET"),
            (":path", f"{target}?name={name}"),
            (":scheme", "http"),
            (":authority", "a"),
        ]
        protocol.send_headers(1, headers, end_stream=target != "/read")
        connection.sendall(protocol.data_to_send())
        server.reported(name, "begun")
        if how == "reset":
            protocol.receive_data(connection.recv(65536))
            protocol.reset_stream(1, error_code=8)
            connection.sendall(protocol.data_to_send())
            assert server.reported(name, "ended", "CancelledError", "ClientConnectionResetError") == "CancelledError"
    assert server.reported(name, "ended", "CancelledError", "ClientConnectionResetError") == "CancelledError"


# --- By default -----------------------------------------------------------------------------------


def test_a_handler_that_waits_for_the_end_is_told(default: Server) -> None:
    assert default.left("/told", "told") == "ended"


def test_a_handler_that_leaves_the_body_alone_is_told(default: Server) -> None:
    assert default.left("/told", "told-unread", body=b"half", length=10) == "ended"


def test_a_handler_that_reads(default: Server) -> None:
    assert default.left("/read", "half", body=b"half", length=10) == "ClientConnectionResetError"


def test_a_handler_that_writes(default: Server) -> None:
    assert default.left("/stream", "stream") == "ClientConnectionResetError"


def test_a_handler_runs_on(default: Server) -> None:
    assert default.left("/pause", "pause") == "ended"

"""HTTP/2 under uvicorn, frame by frame."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from types import TracebackType
from typing import Self

import h2.config
import h2.connection
import h2.errors
import h2.events
import pytest
from h2.settings import SettingCodes

from tests.serving.program import PATIENCE, Program

APP = """
    import asyncio, signal
    from framework import web

    async def hello(request):
        return web.Response(text="hello")

    async def wait(request):
        print("began")
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, let_go.set)
        await let_go.wait()
        return web.Response(text="done")

    async def stream(request):
        global written
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            for written in range(100):
                await response.write(bytes(65536))
        except ConnectionError:
            print("left")
            raise

    async def count(request):
        return web.Response(text=str(written))

    async def stop(app):
        print("on_shutdown")

    written = 0
    let_go = asyncio.Event()
    app = web.Application()
    app.router.add_get("/", hello)
    app.router.add_get("/wait", wait)
    app.router.add_get("/stream", stream)
    app.router.add_get("/count", count)
    app.on_shutdown.append(stop)
    web.run_app(app, host="127.0.0.1", port=0, http2=True)
"""


class Client:
    """A connection with prior knowledge of HTTP/2, which acknowledges nothing that it receives."""

    def __init__(self, program: Program) -> None:
        host, port = program.url().removeprefix("http://").split(":")
        self._sock = socket.create_connection((host, int(port)), timeout=PATIENCE)
        self.connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        self.connection.initiate_connection()
        #: Every event so far.
        self.seen: list[h2.events.Event] = []
        self.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._sock.close()

    def flush(self) -> None:
        self._sock.sendall(self.connection.data_to_send())

    def ask(self, path: str) -> int:
        stream = self.connection.get_next_available_stream_id()
        headers = [(":method", "GET"), (":path", path), (":scheme", "http"), (":authority", "localhost")]
        self.connection.send_headers(stream, headers, end_stream=True)
        self.flush()
        return stream

    def events(self) -> Iterator[h2.events.Event]:
        while data := self._sock.recv(65536):
            received = self.connection.receive_data(data)
            self.seen += received
            yield from received
            self.flush()

    def read(self, stream: int) -> bytes:
        """All of a response's body."""
        body = b""
        for event in self.events():
            if isinstance(event, h2.events.DataReceived) and event.stream_id == stream:
                body += event.data or b""
            elif isinstance(event, h2.events.StreamEnded) and event.stream_id == stream:
                return body
        raise AssertionError("the connection was closed")

    def end(self, stream: int) -> int | None:
        """How a stream ends: None, or the error that it was reset with."""
        for event in self.events():
            if isinstance(event, h2.events.StreamReset) and event.stream_id == stream:
                return event.error_code
            if isinstance(event, h2.events.StreamEnded) and event.stream_id == stream:
                return None
        raise AssertionError("the connection was closed")


def test_its_settings() -> None:
    with Program(APP) as program, Client(program) as client:
        assert client.read(client.ask("/")) == b"hello"
        settings = client.connection.remote_settings
        assert settings.max_concurrent_streams == 128
        # RFC 8441: a browser would open its WebSockets here.
        assert not settings.get(SettingCodes.ENABLE_CONNECT_PROTOCOL)


def test_a_handler_waits_for_a_client_that_takes_nothing() -> None:
    with Program(APP) as program, Client(program) as client:
        client.ask("/stream")
        received = 0
        for event in client.events():
            if isinstance(event, h2.events.DataReceived):
                received += len(event.data or b"")
                if received == 65535:
                    # The whole of the window.
                    break
        client.connection.increment_flow_control_window(1000)
        assert int(client.read(client.ask("/count"))) < 5


@pytest.mark.parametrize("how", ["reset", "close"])
def test_a_handler_is_told_that_its_client_has_left(how: str) -> None:
    with Program(APP) as program, Client(program) as client:
        stream = client.ask("/stream")
        for event in client.events():
            if isinstance(event, h2.events.DataReceived):
                break
        if how == "reset":
            client.connection.reset_stream(stream)
            client.flush()
        else:
            client.connection.close_connection()
            client.flush()
            client.__exit__(None, None, None)
        program.read_until("left")


def test_a_shutdown_finishes_streams_and_refuses_new_ones() -> None:
    with Program(APP) as program, Client(program) as client:
        first = client.ask("/wait")
        program.read_until("began")
        program.send(signal.SIGTERM)
        program.read_until("on_shutdown")
        # What comes at once may still be answered.
        while (refusal := client.end(client.ask("/"))) is None:
            pass
        assert refusal == h2.errors.ErrorCodes.REFUSED_STREAM
        program.send(signal.SIGUSR1)
        assert client.read(first) == b"done"
        for _ in client.events():
            pass
        assert isinstance(client.seen[-1], h2.events.ConnectionTerminated)
        assert program.finish() == 0
    assert program.stderr() == ""

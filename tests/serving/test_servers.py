"""run_app on each server: the same program, the same order of events, the same ends."""

from __future__ import annotations

import signal
import socket
import ssl
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from framework import web
from tests.serving.program import Program

servers = pytest.mark.parametrize("server", ["uvicorn", "hypercorn", "granian"])

APP = """
    import asyncio, logging, signal, sys
    from framework import web

    async def hello(request):
        return web.Response(text=f"hello over {request.scheme}")

    async def wait(request):
        print("began")
        try:
            await (asyncio.Event().wait() if "for_ever" in request.query else shutting_down.wait())
        except asyncio.CancelledError:
            print("cancelled")
            raise
        print("ended")
        return web.Response(text="done")

    async def leave(request):
        sys.exit(5)

    async def chat(request):
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        await ws.send_str("hello")
        async for message in ws:
            pass
        print("closed", ws.close_code)
        return ws

    async def on_startup(app):
        print("on_startup")

    async def on_shutdown(app):
        print("on_shutdown")
        shutting_down.set()

    async def on_cleanup(app):
        print("on_cleanup")

    shutting_down = asyncio.Event()
    app = web.Application()
    app.router.add_get("/", hello)
    app.router.add_get("/wait", wait)
    app.router.add_get("/leave", leave)
    app.router.add_get("/chat", chat)
    app.on_startup.append(on_startup)
    app.on_shutdown.append(on_shutdown)
    app.on_cleanup.append(on_cleanup)
"""


def run(server: str, options: str = "", before: str = "pass") -> Program:
    call = f"""
    {before}
    web.run_app(app, host="127.0.0.1", port=0, server={server!r}, {options})
    print("returned")
    """
    return Program(APP + call)


@servers
def test_on_shutdown_runs_first_then_requests_end_then_cleanup(server: str) -> None:
    with run(server) as program, ThreadPoolExecutor(3) as threads:
        url = program.url()
        answers = [threads.submit(httpx.get, url + "/wait", trust_env=False) for _ in range(3)]
        for _ in answers:
            program.read_until("began")
        program.send(signal.SIGTERM)
        assert [answer.result().text for answer in answers] == ["done"] * 3
        assert program.finish() == 0
    assert program.lines[0] == "on_startup"
    assert program.lines[-6:] == ["on_shutdown", "ended", "ended", "ended", "on_cleanup", "returned"]
    assert program.stderr() == ""


@servers
def test_a_handler_is_cancelled_after_the_timeout(server: str) -> None:
    with run(server, "shutdown_timeout=0.01") as program, ThreadPoolExecutor(1) as threads:
        answer = threads.submit(program.client.get, program.url() + "/wait?for_ever")
        program.read_until("began")
        program.send(signal.SIGINT)
        assert program.finish() == 0
        # The connection is dropped, or the server answers for the handler; it never looks like an answer of its own.
        try:
            assert answer.result().status_code >= 500
        except httpx.TransportError:
            pass
    assert program.lines[-4:] == ["on_shutdown", "cancelled", "on_cleanup", "returned"]
    assert program.stderr() == ""


@servers
def test_a_second_signal_cancels_without_waiting(server: str) -> None:
    with run(server, "shutdown_timeout=1e6") as program, ThreadPoolExecutor(1) as threads:
        threads.submit(program.client.get, program.url() + "/wait?for_ever")
        program.read_until("began")
        program.send(signal.SIGINT)
        program.read_until("on_shutdown")
        program.send(signal.SIGINT)
        assert program.finish() == 0
    assert program.lines[-3:] == ["cancelled", "on_cleanup", "returned"]
    assert program.stderr() == ""


@servers
def test_sys_exit_in_a_handler_cleans_up_and_gives_the_exit_code(server: str) -> None:
    with run(server) as program:
        assert program.client.get(program.url() + "/leave").status_code == 503
        assert program.finish() == 5
    assert program.lines[-2:] == ["on_shutdown", "on_cleanup"]


@servers
def test_websockets_are_closed_by_on_shutdown(server: str) -> None:
    with run(server) as program:
        host, port = program.url().removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as sock:
            sock.sendall(
                b"GET /chat HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
            )
            stream = sock.makefile("rb")
            while stream.readline() != b"\r\n":
                pass
            # RFC 6455, section 5.2: a frame of text, five octets.
            assert stream.read(7) == b"\x81\x05hello"
            program.send(signal.SIGTERM)
            # A close of four octets or more: 1001, going away.
            frame = stream.read(4)
            assert (frame[0], frame[2:]) == (0x88, (1001).to_bytes(2))
            # The answer, masked with zeros.
            sock.sendall(b"\x88\x82\x00\x00\x00\x00" + frame[2:])
            assert program.finish() == 0
    assert program.lines[-4:] == ["on_shutdown", "closed 1001", "on_cleanup", "returned"]


@servers
def test_a_startup_error_is_shown_and_fails_the_process(server: str) -> None:
    before = "app.on_startup.append(lambda app: 1 / 0)"
    with run(server, before=before) as program:
        assert program.finish() == 1
    assert program.lines == ["on_startup"]
    assert program.stderr().endswith("ZeroDivisionError: division by zero")


@servers
def test_an_idle_connection_is_closed_after_its_time(server: str) -> None:
    with run(server, "keepalive_timeout=0.05") as program:
        host, port = program.url().removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=60) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            received = b""
            while part := sock.recv(1000):
                received += part
            assert received.endswith(b"hello over http")


@servers
def test_the_access_log_is_ours(server: str) -> None:
    before = "logging.basicConfig(level=logging.INFO, format='%(name)s %(message)s')"
    with run(server, "access_log_format='%r %s %a'", before) as program:
        program.client.get(program.url() + "/?a=1")
        program.send(signal.SIGTERM)
        assert program.finish() == 0
    lines = [line for line in program.stderr().splitlines() if "?a=1" in line]
    assert lines == ["framework.access GET /?a=1 HTTP/1.1 200 127.0.0.1"]


@servers
def test_the_programs_logging_configuration_stays(server: str, tmp_path: Path) -> None:
    source = f"""
    handler = logging.FileHandler({str(tmp_path / "log")!r}, mode="w")
    logging.basicConfig(level=logging.WARNING, handlers=[handler])

    def state():
        names = ["", "uvicorn", "uvicorn.error", "hypercorn.error", "hypercorn.access", "_granian", "granian.access"]
        return [(name, logging.getLogger(name).handlers[:], logging.getLogger(name).propagate) for name in names]

    before = state()

    def stop(message):
        logging.warning("still there")
        print(state() == before)
        signal.raise_signal(signal.SIGINT)

    web.run_app(app, port=0, host="127.0.0.1", server={server!r}, print=stop)
    """
    with Program(APP + source) as program:
        assert program.finish() == 0
    assert "True" in program.lines
    assert program.stderr() == ""
    assert (tmp_path / "log").read_text() == "WARNING:root:still there\n"


@servers
@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="the system has no Unix sockets")
def test_several_places_of_each_kind(server: str, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    options = f"""
    import socket
    sock = socket.create_server(("127.0.0.1", 0))
    web.run_app(app, host=["127.0.0.1", "127.0.0.2"], port=0, path={str(path)!r}, sock=sock, server={server!r})
    print(sock.fileno(), "left")
    """
    with Program(APP + options) as program:
        program.url()
        urls = [word.rstrip(",") for word in program.lines[-2].split() if "://" in word]
        assert len(urls) == 4
        for url in urls:
            if url.startswith("http://unix:"):
                with httpx.Client(transport=httpx.HTTPTransport(uds=str(path))) as client:
                    assert client.get("http://localhost/").text == "hello over http"
            else:
                assert program.client.get(url).text == "hello over http"
        program.send(signal.SIGTERM)
        assert program.finish() == 0
    assert not path.exists()
    assert program.lines[-1] == "-1 left"
    assert program.stderr() == ""


def test_an_import_string_runs_in_this_process(tmp_path: Path) -> None:
    (tmp_path / "hello.py").write_text("from framework import web\nasync def make_app(): return web.Application()\n")
    source = """
    from framework import web
    web.run_app("hello:make_app", host="127.0.0.1", port=0)
    """
    with Program(source, cwd=tmp_path) as program:
        assert program.client.get(program.url()).status_code == 404
        program.send(signal.SIGTERM)
        assert program.finish() == 0


NOT_AN_APP: Any = object()


def test_an_unknown_server() -> None:
    with pytest.raises(ValueError, match="the servers are 'uvicorn', 'hypercorn', 'granian'"):
        web.run_app(NOT_AN_APP, server="gunicorn")


@pytest.mark.parametrize(
    ("options", "module", "install"),
    [
        ({"server": "hypercorn"}, "hypercorn", r"pip install 'asgi-framework\[hypercorn\]'"),
        ({"server": "granian"}, "granian", r"pip install 'asgi-framework\[granian\]'"),
        ({"http2": True}, "zttp", r"pip install 'asgi-framework\[http2\]'"),
    ],
)
def test_a_package_that_is_missing_is_named(
    options: dict[str, Any], module: str, install: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = {"granian": "granian_server", "hypercorn": "hypercorn_server", "zttp": "http2"}[module]
    loaded = [name for name in sys.modules if name.split(".")[0] == module or name.endswith("zttp_h2_impl")]
    for name in [*loaded, f"framework.serving.{ours}"]:
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=install):
        web.run_app(NOT_AN_APP, **options)


def test_granian_takes_files_and_no_context() -> None:
    with pytest.raises(ValueError, match=r"ssl_certfile='cert\.pem'"):
        web.run_app(NOT_AN_APP, server="granian", ssl_context=ssl.create_default_context())

"""What becomes of open WebSockets when the process that serves them is told to stop (SIGTERM), by way of serving."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.served.test_example import PATIENCE, PROJECT, free_port, wait_until_listening

CLIENTS = 100
CLOSE = aiohttp.WSMsgType.CLOSE

HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)

PROGRAM = """
import asyncio
import sys
import weakref

from framework import web

sockets = web.AppKey("sockets", weakref.WeakSet)


async def echo(request):
    ws = web.WebSocketResponse()
    await ws.prepare(request)
    request.app[sockets].add(ws)
    await ws.send_str("open")
    try:
        async for message in ws:
            await ws.send_str(message.data)
    except asyncio.CancelledError:
        print("cancelled")
        raise
    finally:
        request.app[sockets].discard(ws)
    print("ended", ws.close_code)
    return ws


async def close_all(app):
    for ws in set(app[sockets]):
        await ws.close(code=4000, message=b"See you")


async def on_shutdown(app):
    print("on_shutdown")


async def on_cleanup(app):
    print("on_cleanup")


app = web.Application()
app[sockets] = weakref.WeakSet()
app.router.add_get("/", echo)
app.on_shutdown.append(on_shutdown)
if "{option}" == "closes":
    app.on_shutdown.append(close_all)
app.on_cleanup.append(on_cleanup)

if __name__ == "__main__":
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), shutdown_timeout={timeout})
"""

UVICORN = ["-m", "uvicorn", "program:app", "--host", "127.0.0.1", "--port", "{port}"]
COMMANDS = {
    "run_app": ["program.py", "{port}"],
    "uvicorn": UVICORN,
    "uvicorn-wsproto": [*UVICORN, "--ws", "wsproto"],
    "hypercorn": ["-m", "hypercorn", "program:app", "--bind", "127.0.0.1:{port}", "--graceful-timeout", "1"],
}


class Served:
    """A running program, its address, and its output when it has ended."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.process = process
        self.port = port
        self.log = log

    async def stop(self) -> int:
        """Send SIGTERM, and give the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return await asyncio.to_thread(self.process.wait, PATIENCE)

    def lines(self) -> list[str]:
        """What the program itself has printed."""
        return [
            line
            for line in self.log.read_text().splitlines()
            if line.partition(" ")[0] in {"ended", "cancelled", "on_shutdown", "on_cleanup"}
        ]


@contextlib.asynccontextmanager
async def served(server: str, folder: Path, *, option: str = "", timeout: float = PATIENCE) -> AsyncIterator[Served]:
    """Serve PROGRAM, whose on_shutdown closes all sockets if `option` is "closes"; `timeout` is run_app's."""
    program = PROGRAM.replace("{option}", option).replace("{timeout}", str(timeout))
    (folder / "program.py").write_text(program)
    port = free_port()
    log = folder / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-u", *(part.format(port=port) for part in COMMANDS[server])],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(PROJECT)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        await asyncio.to_thread(wait_until_listening, process, port, log)
        yield Served(process, port, log)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


async def ends_of_clients(program: Served, number: int) -> tuple[set[tuple[int, Any, Any]], int]:
    """Open `number` sockets and stop the program: what the clients received, and the exit code."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        sockets = [await http.ws_connect(f"http://127.0.0.1:{program.port}/") for _ in range(number)]
        for ws in sockets:
            assert await ws.receive_str() == "open"
        receiving = asyncio.gather(*(ws.receive() for ws in sockets))
        code = await program.stop()
        return set(await receiving), code


# --- run_app --------------------------------------------------------------------------------------


async def test_run_app_closes_what_is_open(tmp_path: Path) -> None:
    async with served("run_app", tmp_path) as program:
        ends, code = await ends_of_clients(program, CLIENTS)
    assert (ends, code) == ({(CLOSE, 1001, "Server shutdown")}, 0)
    assert program.lines() == ["on_shutdown", *["ended 1001"] * CLIENTS, "on_cleanup"]
    assert "Traceback" not in program.log.read_text()


async def test_run_app_leaves_the_close_to_on_shutdown(tmp_path: Path) -> None:
    """The pattern of aiohttp's documentation: a set of sockets that on_shutdown closes."""
    async with served("run_app", tmp_path, option="closes") as program:
        ends, code = await ends_of_clients(program, CLIENTS)
    assert (ends, code) == ({(CLOSE, 4000, "See you")}, 0)
    assert program.lines() == ["on_shutdown", *["ended 4000"] * CLIENTS, "on_cleanup"]


async def test_a_client_that_does_not_answer_does_not_hold_up_the_exit(tmp_path: Path) -> None:
    async with served("run_app", tmp_path, timeout=0.5) as program:
        reader, writer = await asyncio.open_connection("127.0.0.1", program.port)
        writer.write(HANDSHAKE)
        await reader.readuntil(b"open")
        assert await program.stop() == 0
        writer.close()
    assert program.lines() == ["on_shutdown", "ended 1001", "on_cleanup"]


# --- The servers' own command lines ---------------------------------------------------------------


@pytest.mark.parametrize("server", ["uvicorn", "uvicorn-wsproto"])
async def test_uvicorn_tells_in_time(server: str, tmp_path: Path) -> None:
    async with served(server, tmp_path) as program:
        ends, code = await ends_of_clients(program, CLIENTS)
    # uvicorn looks for the signal ten times a second, and then closes what is open with 1012. A signal that comes in
    # the very moment leaves no time for more than the beginning of on_shutdown.
    assert ends in ({(CLOSE, 1001, "Server shutdown")}, {(CLOSE, 1012, "")})
    # It ends as if it had not caught the signal.
    assert code == -signal.SIGTERM
    code_of_all = ends.pop()[1]
    assert program.lines() == ["on_shutdown", *[f"ended {code_of_all}"] * CLIENTS, "on_cleanup"]
    assert "Traceback" not in program.log.read_text()


async def test_hypercorn_tells_in_time(tmp_path: Path) -> None:
    async with served("hypercorn", tmp_path) as program:
        ends, code = await ends_of_clients(program, CLIENTS)
    assert (ends, code) == ({(CLOSE, 1001, "Server shutdown")}, 0)
    assert program.lines() == ["on_shutdown", *["ended 1001"] * CLIENTS, "on_cleanup"]
    assert "Traceback" not in program.log.read_text()

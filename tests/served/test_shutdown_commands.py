"""SIGTERM to the servers' own commands: an open event stream and an open WebSocket end by on_shutdown, before the
server's wait for them is over."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.served.test_example import PATIENCE, PROJECT, free_port, wait_until_listening

PROGRAM = """
import asyncio

from framework import web


async def events(request):
    async with web.sse_response(request) as response:
        await response.send("began")
        await asyncio.Event().wait()
    print("stream ended")
    return response


async def chat(request):
    ws = web.WebSocketResponse()
    await ws.prepare(request)
    await ws.send_str("began")
    async for _ in ws:
        pass
    print("socket ended")
    return ws


async def on_shutdown(app):
    print("on_shutdown")


async def on_cleanup(app):
    print("on_cleanup")


app = web.Application()
app.router.add_get("/events", events)
app.router.add_get("/chat", chat)
app.on_shutdown.append(on_shutdown)
app.on_shutdown.append(web.stop_event_streams)
app.on_cleanup.append(on_cleanup)
"""

# Where a server has a limit for its wait it is longer than the test is patient.
LONG = str(int(PATIENCE * 2))
COMMANDS = {
    "uvicorn": ["uvicorn", "--port", "{port}", "program:app"],
    "uvicorn on asyncio": ["uvicorn", "--loop", "asyncio", "--http", "h11", "--port", "{port}", "program:app"],
    "uvicorn workers": ["uvicorn", "--workers", "2", "--port", "{port}", "program:app"],
    "hypercorn": ["hypercorn", "--graceful-timeout", LONG, "--bind", "127.0.0.1:{port}", "program:app"],
    "hypercorn alone": [
        *("hypercorn", "--workers", "0", "--graceful-timeout", LONG, "--bind", "127.0.0.1:{port}", "program:app")
    ],
    "granian": ["granian", "--interface", "asgi", "--port", "{port}", "program:app"],
    "gunicorn": [
        *("gunicorn", "--graceful-timeout", LONG, "--bind", "127.0.0.1:{port}"),
        *("-k", "uvicorn_worker.UvicornWorker", "program:app"),
    ],
    "gunicorn asgi": [
        *("gunicorn", "--graceful-timeout", LONG, "--bind", "127.0.0.1:{port}", "-k", "asgi", "program:app")
    ],
}


@pytest.mark.parametrize("server", COMMANDS)
async def test_what_is_open_ends(server: str, tmp_path: Path) -> None:
    command = COMMANDS[server]
    pytest.importorskip(command[0], reason=f"{command[0]} is not installed")
    (tmp_path / "program.py").write_text(PROGRAM)
    port = free_port()
    log = tmp_path / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", *(part.format(port=port) for part in command)],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(PROJECT), "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        await asyncio.to_thread(wait_until_listening, process, port, log)
        async with (
            httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as client,
            client.stream("GET", f"http://127.0.0.1:{port}/events") as response,
            connect(f"ws://127.0.0.1:{port}/chat", proxy=None) as socket,
        ):
            lines = response.aiter_lines()
            assert await anext(lines) == "data: began"
            assert await socket.recv() == "began"
            process.send_signal(signal.SIGTERM)
            # To its end, which is a complete one.
            assert [line async for line in lines if line] == []
            with pytest.raises(ConnectionClosed) as closed:
                await asyncio.wait_for(socket.recv(), PATIENCE)
        assert closed.value.rcvd is not None
        # uvicorn closes with 1012 what is open when it looks for the signal, ten times a second; on_shutdown comes
        # first unless the signal comes in the very moment.
        assert closed.value.rcvd.code in ({1001, 1012} if server.startswith(("uvicorn", "gunicorn")) else {1001})
        code = await asyncio.to_thread(process.wait, PATIENCE)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    # uvicorn ends as if it had not caught the signal.
    assert code == (-signal.SIGTERM if server in {"uvicorn", "uvicorn on asyncio"} else 0), log.read_text()
    printed = log.read_text().splitlines()
    ours = [line for line in printed if line in {"on_shutdown", "stream ended", "socket ended", "on_cleanup"}]
    # Of the second worker as well.
    workers = 2 if server == "uvicorn workers" else 1
    assert sorted(ours) == sorted(["on_shutdown", "on_cleanup"] * workers + ["stream ended", "socket ended"])
    assert ours.index("on_shutdown") < ours.index("stream ended")
    assert ours.index("on_shutdown") < ours.index("socket ended")
    assert ours[-1] == "on_cleanup"
    assert "Traceback" not in log.read_text()

"""app_example.py on each ASGI server, started by that server's own command line as the README shows it."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

PROJECT = Path(__file__).parents[2]

#: Seconds after which a server that does not start, or does not stop, fails its test.
PATIENCE = 60.0

SERVERS = {
    "uvicorn": ["uvicorn", "app_example:app", "--host", "127.0.0.1", "--port", "{port}"],
    "hypercorn": ["hypercorn", "app_example:app", "--bind", "127.0.0.1:{port}"],
    "granian": ["granian", "--interface", "asgi", "app_example:app", "--host", "127.0.0.1", "--port", "{port}"],
}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


@contextlib.contextmanager
def served(command: list[str], log: Path) -> Iterator[httpx.Client]:
    """Run a server on a free port, give a client of it, and stop it with SIGINT."""
    port = free_port()
    arguments = [part.format(port=port) for part in command]
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            cwd=PROJECT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until_listening(process, port, log)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=PATIENCE) as client:
            yield client
        process.send_signal(signal.SIGINT)
        process.wait(PATIENCE)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def wait_until_listening(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    give_up = time.monotonic() + PATIENCE
    while time.monotonic() < give_up:
        assert process.poll() is None, log.read_text()
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"nothing listens on port {port}:\n{log.read_text()}")


@pytest.mark.parametrize("server", SERVERS)
def test_the_example_is_served(server: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with served(SERVERS[server], log) as client:
        assert client.get("/").text == "It works.\n"
        assert client.get("/hello/Ada%20L").json() == {"hello": "Ada L"}
        assert client.post("/echo", json={"answer": 42}).json() == {"you sent": {"answer": 42}}
        assert client.post("/echo", content=b"{").status_code == 400
        assert client.get("/missing").status_code == 404
        refused = client.put("/echo")
        assert (refused.status_code, refused.headers["Allow"]) == (405, "POST")
    text = log.read_text()
    assert "Traceback" not in text, text

"""Files from each ASGI server: whole, in ranges, over connections that stay open, and to clients that leave."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.served.test_example import SERVERS, served

PROGRAM = """
import sys
sys.path.insert(0, {project!r})
from framework import web

async def handler(request):
    return web.FileResponse({folder!r} + "/" + request.match_info["name"])

app = web.Application()
app.router.add_get("/{{name}}", handler)
"""
PROJECT = Path(__file__).parents[2]
LARGE = os.urandom(5 * 2**20 + 1)


@pytest.fixture(scope="module", params=SERVERS)
def client(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("files")
    (folder / "large.bin").write_bytes(LARGE)
    (folder / "small.txt").write_bytes(b"0123456789")
    (folder / "small.txt.gz").write_bytes(b"coded")
    (folder / "files_program.py").write_text(PROGRAM.format(folder=str(folder), project=str(PROJECT)))
    log = folder / "log"
    command = [part.replace("app_example", "files_program") for part in SERVERS[request.param]]
    python_path = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(folder) + (os.pathsep + python_path if python_path else "")
    try:
        with served(command, log) as client:
            yield client
    finally:
        if python_path is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = python_path
    text = log.read_text()
    assert "Traceback" not in text, text


def test_whole_files(client: httpx.Client) -> None:
    for _ in range(3):
        large = client.get("/large.bin")
        assert (large.status_code, large.content == LARGE) == (200, True)
        assert large.headers["Content-Length"] == str(len(LARGE))
        small = client.get("/small.txt", headers={"Accept-Encoding": "identity"})
        assert (small.status_code, small.content) == (200, b"0123456789")


def test_ranges(client: httpx.Client) -> None:
    part = client.get("/large.bin", headers={"Range": "bytes=1000000-4000000"})
    assert (part.status_code, part.content == LARGE[1000000:4000001]) == (206, True)
    parts = client.get("/large.bin", headers={"Range": "bytes=-10,0-9"})
    assert parts.status_code == 206
    assert LARGE[-10:] in parts.content
    assert LARGE[:10] in parts.content
    assert client.get("/large.bin", headers={"Range": "bytes=9999999-"}).status_code == 416


def test_conditions_and_head(client: httpx.Client) -> None:
    head = client.head("/large.bin")
    assert head.headers["Content-Length"] == str(len(LARGE))
    same = client.get("/large.bin", headers={"If-None-Match": head.headers["ETag"]})
    assert (same.status_code, same.content) == (304, b"")
    assert client.get("/large.bin", headers={"If-Match": '"x"'}).status_code == 412
    assert client.get("/missing").status_code == 404


def test_a_client_that_leaves_in_the_middle(client: httpx.Client) -> None:
    for _ in range(3):
        with socket.create_connection((client.base_url.host, client.base_url.port or 80)) as sock:
            sock.sendall(b"GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\n")
            sock.recv(1000)
    assert client.get("/large.bin").content == LARGE

"""S17: files that came with a request are written in threads, and closed however the request ends."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import threading
from collections.abc import Awaitable, Callable
from typing import IO, Any

import pytest

from framework import web
from framework.uploads import MEMORY_SIZE
from tests.driver import Driver

HEAD = b'--b\r\nContent-Disposition: form-data; name="a"; filename="x"\r\n\r\n'
LARGE = b"x" * (MEMORY_SIZE + 1)


class Disk:
    """The temporary files that are made, by which threads, and how long that takes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.files: list[IO[bytes]] = []
        self.threads: set[threading.Thread] = set()
        self.is_ready = threading.Event()
        self.is_ready.set()
        self.is_asked = threading.Event()
        self.make = tempfile.TemporaryFile
        monkeypatch.setattr(tempfile, "TemporaryFile", self.open)

    def open(self) -> IO[bytes]:
        self.threads.add(threading.current_thread())
        self.is_asked.set()
        self.is_ready.wait(10)
        file = self.make()
        self.files.append(file)
        return file

    async def until_closed(self) -> None:
        async with asyncio.timeout(10):
            while not self.files or not all(file.closed for file in self.files):
                await asyncio.sleep(0.001)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


async def collect(request: web.Request) -> None:
    await request.post()


def upload(look: Callable[[web.Request], Awaitable[Any]] = collect, limit: int = 2**24) -> Driver:
    """A request that has sent all of a large file but the last boundary."""

    async def handler(request: web.Request) -> web.Response:
        await look(request)
        return web.Response()

    app = web.Application(client_max_size=limit)
    app.router.add_post("/", handler)
    headers = [
        (b"host", b"example.com"),
        (b"transfer-encoding", b"chunked"),
        (b"content-type", b"multipart/form-data; boundary=b"),
    ]
    driver = Driver.http(app, "POST", headers=headers, body=None)
    driver.feed_body(HEAD, more_body=True)
    driver.feed_body(LARGE, more_body=True)
    return driver


async def test_s17_nothing_is_written_in_the_thread_of_the_loop(disk: Disk) -> None:
    driver = upload()
    driver.feed_body(b"\r\n--b--")
    assert (await driver.run()).status == 200
    assert disk.threads
    assert threading.current_thread() not in disk.threads
    await disk.until_closed()


async def test_s17_the_loop_goes_on_while_the_disk_is_slow(disk: Disk) -> None:
    disk.is_ready.clear()
    driver = upload()
    task = driver.start()
    async with asyncio.timeout(10):
        while not disk.is_asked.is_set():
            await asyncio.sleep(0)
    assert not task.done()
    disk.is_ready.set()
    driver.feed_body(b"\r\n--b--")
    assert (await driver.run()).status == 200
    await disk.until_closed()


async def test_s17_a_handler_that_fails(disk: Disk) -> None:
    async def fail(request: web.Request) -> None:
        await request.post()
        assert not disk.files[0].closed
        raise ZeroDivisionError

    driver = upload(fail)
    driver.feed_body(b"\r\n--b--")
    assert (await driver.run()).status == 500
    await disk.until_closed()


@pytest.mark.parametrize(
    ("rest", "status"), [(b"", 400), (b"\r\n--bx", 400), (b"\r\n--b\r\nX\r\n\r\n", 400), (b"x" * 2**20, 413)]
)
async def test_s17_a_body_that_is_refused(disk: Disk, rest: bytes, status: int) -> None:
    driver = upload(limit=2**20 + 2**19)
    driver.feed_body(rest)
    assert (await driver.run()).status == status
    await disk.until_closed()


async def test_s17_a_client_that_leaves(disk: Disk) -> None:
    driver = upload()
    driver.disconnect()
    await driver.run()
    await disk.until_closed()


async def test_s17_a_handler_that_is_cancelled(disk: Disk) -> None:
    driver = upload()
    task = driver.start()
    async with asyncio.timeout(10):
        while not disk.files:
            await asyncio.sleep(0.001)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    await disk.until_closed()


async def test_s17_a_handler_that_is_cancelled_while_the_disk_is_slow(disk: Disk) -> None:
    disk.is_ready.clear()
    task = upload().start()
    async with asyncio.timeout(10):
        while not disk.is_asked.is_set():
            await asyncio.sleep(0.001)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert disk.files == []
    disk.is_ready.set()
    await disk.until_closed()


async def test_s17_a_disk_that_is_full(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> IO[bytes]:
        raise OSError("No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    driver = upload()
    driver.feed_body(b"\r\n--b--")
    assert (await driver.run()).status == 500

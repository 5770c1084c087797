from __future__ import annotations

import asyncio
import gc
import gzip
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from framework import files, opened_files, web
from framework.opened_files import MOST_AT_ONCE, SMALL, SpecialFileError, open_file, pieces
from tests.driver import Driver

LARGE = os.urandom(3 * MOST_AT_ONCE + 1000)
PATHSEND: dict[str, Any] = {"http.response.pathsend": {}}
ZERO_COPY: dict[str, Any] = {"http.response.zerocopysend": {}}


def make_file(path: Path, content: bytes = b"0123456789") -> Path:
    path.write_bytes(content)
    os.utime(path, ns=(1_700_000_000_500_000_000,) * 2)
    return path


def app_with(
    path: Any, change: Callable[[web.FileResponse], object] = lambda response: None, **options: Any
) -> web.Application:
    async def handler(request: web.Request) -> web.FileResponse:
        response = web.FileResponse(path, **options)
        change(response)
        return response

    app = web.Application()
    app.router.add_route("*", "/", handler)
    return app


async def ask(app: web.Application, method: str = "GET", headers: Any = (), **scope: Any) -> Driver:
    pairs = [(name.lower().encode(), value.encode()) for name, value in dict(headers).items()]
    return await Driver.http(app, method, headers=pairs, **scope).run()


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - the list itself is one


def without_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a system that cannot tell what of a file is in memory."""
    monkeypatch.setattr(opened_files, "_RWF_NOWAIT", None)


async def test_a_small_file_is_one_message(tmp_path: Path) -> None:
    driver = await ask(app_with(make_file(tmp_path / "a.txt")))
    assert len(driver.sent) == 2
    assert (driver.status, driver.body, driver.complete) == (200, b"0123456789", True)
    assert driver.headers == {
        b"content-type": b"text/plain",
        b"content-length": b"10",
        b"etag": b'"17979cfe53f76500-a"',
        b"last-modified": b"Tue, 14 Nov 2023 22:13:21 GMT",
        b"accept-ranges": b"bytes",
    }


@pytest.mark.parametrize("size", [0, 1, SMALL, SMALL + 1, MOST_AT_ONCE, MOST_AT_ONCE + 1, len(LARGE)])
@pytest.mark.parametrize("cached", [True, False])
async def test_every_size(size: int, cached: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not cached:
        without_cache(monkeypatch)
    driver = await ask(app_with(make_file(tmp_path / "a", LARGE[:size])))
    assert driver.body == LARGE[:size]
    assert driver.headers[b"content-length"] == b"%d" % size
    assert driver.complete
    assert driver.sent[-1]["body"] or size == 0, "no message is spent on the end alone"


async def test_the_chunk_size_bounds_reads_from_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_cache(monkeypatch)
    driver = await ask(app_with(make_file(tmp_path / "a", LARGE), chunk_size=200_000))
    assert driver.body == LARGE
    assert {len(message["body"]) for message in driver.sent[2:-1]} == {200_000}


async def test_head_has_the_headers_and_reads_nothing(tmp_path: Path) -> None:
    app = app_with(make_file(tmp_path / "a", LARGE))
    got, asked = await ask(app), await ask(app, "HEAD")
    assert asked.headers == got.headers
    assert asked.body == b""


@pytest.mark.parametrize("path", ["missing", "a.txt/b", "x" * 300, "nul\0", "a/../b", "\ud800"])
async def test_no_such_file(path: str, tmp_path: Path) -> None:
    make_file(tmp_path / "a.txt")
    driver = await ask(app_with(f"{tmp_path}/{path}"))
    assert (driver.status, driver.body, driver.headers) == (404, b"", {b"content-length": b"0"})


async def test_what_is_no_regular_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path, tmp_path / "fifo", "/dev/null", "/dev/zero"):
        assert (await ask(app_with(path))).status == 403


async def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_file(tmp_path / "a")

    def refuse(path: str, flags: int) -> int:
        raise PermissionError(13, "Permission denied", path)

    # The tests may run as root, who may read everything.
    monkeypatch.setattr(os, "open", refuse)
    assert (await ask(app_with(path))).status == 403


async def test_an_error_of_the_disk_is_no_404(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_file(tmp_path / "a")

    def fail(path: str, flags: int) -> int:
        raise OSError(5, "Input/output error", path)

    monkeypatch.setattr(os, "open", fail)
    assert (await ask(app_with(path))).status == 500


async def test_ranges_of_a_large_file(tmp_path: Path) -> None:
    app = app_with(make_file(tmp_path / "a", LARGE))
    for value, start, stop in [
        ("bytes=5-14", 5, 15),
        ("bytes=100-2100000", 100, 2_100_001),
        ("bytes=-7", len(LARGE) - 7, len(LARGE)),
    ]:
        driver = await ask(app, headers={"Range": value})
        assert driver.status == 206
        assert driver.body == LARGE[start:stop]
        assert driver.headers[b"content-range"] == b"bytes %d-%d/%d" % (start, stop - 1, len(LARGE))
        assert driver.headers[b"content-length"] == b"%d" % (stop - start)


@pytest.mark.parametrize("size", [1000, len(LARGE)])
@pytest.mark.parametrize("extensions", [{}, PATHSEND, ZERO_COPY])
async def test_several_ranges(size: int, extensions: Any, tmp_path: Path) -> None:
    path = make_file(tmp_path / "a.txt", LARGE[:size])
    driver = await ask(app_with(path), headers={"Range": "bytes=-10,0-9"}, extensions=extensions)
    kind, _, boundary = driver.headers[b"content-type"].partition(b"; boundary=")
    assert (driver.status, kind) == (206, b"multipart/byteranges")
    assert b"content-range" not in driver.headers
    expected = b"--%b\r\nContent-Type: text/plain\r\nContent-Range: bytes %d-%d/%d\r\n\r\n%b\r\n" % (
        boundary, size - 10, size - 1, size, LARGE[:size][-10:],
    ) + b"--%b\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-9/%d\r\n\r\n%b\r\n--%b--\r\n" % (
        boundary, size, LARGE[:10], boundary,
    )  # fmt: skip
    assert int(driver.headers[b"content-length"]) == len(expected)
    if extensions is ZERO_COPY and size > 1000:
        sent = [m for m in driver.sent if m["type"].endswith("zerocopysend")]
        assert [(m["offset"], m["count"], m["more_body"]) for m in sent] == [(size - 10, 10, True), (0, 10, True)]
        return
    assert driver.body == expected
    assert driver.complete


async def test_the_head_of_several_ranges(tmp_path: Path) -> None:
    path = make_file(tmp_path / "a.txt", LARGE)
    driver = await ask(app_with(path), "HEAD", headers={"Range": "bytes=-10,0-9"})
    assert (driver.status, driver.body) == (206, b"")


async def test_ranges_and_conditions_are_for_success(tmp_path: Path) -> None:
    """RFC 9110, section 13.2.1; what a page of an error is, is no part of what was asked for."""
    app = app_with(make_file(tmp_path / "404.html"), status=404)
    driver = await ask(app, headers={"Range": "bytes=0-1", "If-None-Match": "*"})
    assert (driver.status, driver.body) == (404, b"0123456789")


async def test_a_range_is_for_get_and_head(tmp_path: Path) -> None:
    """RFC 9110, section 14.2."""
    driver = await ask(app_with(make_file(tmp_path / "a")), "POST", headers={"Range": "bytes=0-1"})
    assert (driver.status, driver.body) == (200, b"0123456789")


# Compression


def add_siblings(path: Path, *extensions: str) -> None:
    for extension in extensions:
        make_file(path.with_name(path.name + extension), extension.encode())


@pytest.mark.parametrize(
    ("accept_encoding", "body"),
    [
        ("gzip", b".gz"),
        ("gzip, br", b".br"),
        ("gzip, br;q=0.5", b".gz"),
        ("zstd, gzip", b".zst"),
        ("*", b".br"),
        ("br;q=0, *", b".zst"),
        ("identity, gzip;q=0.5", b"0123456789"),
        ("deflate", b"0123456789"),
        ("", b"0123456789"),
    ],
)
async def test_the_sibling_that_the_client_prefers(accept_encoding: str, body: bytes, tmp_path: Path) -> None:
    path = make_file(tmp_path / "a.txt")
    add_siblings(path, ".br", ".zst", ".gz")
    driver = await ask(app_with(path), headers={"Accept-Encoding": accept_encoding})
    assert driver.body == body
    assert driver.headers[b"content-type"] == b"text/plain"
    assert driver.headers[b"vary"] == b"Accept-Encoding"
    coding = {b".gz": b"gzip", b".br": b"br", b".zst": b"zstd"}.get(body)
    assert driver.headers.get(b"content-encoding") == coding


async def test_a_file_that_has_a_coding_has_no_sibling(tmp_path: Path) -> None:
    path = make_file(tmp_path / "a.txt")
    add_siblings(path, ".gz")
    app = app_with(path, headers={"Content-Encoding": "aes128gcm"})
    driver = await ask(app, headers={"Accept-Encoding": "gzip"})
    assert (driver.body, driver.headers[b"content-encoding"]) == (b"0123456789", b"aes128gcm")


@pytest.mark.parametrize("size", [1000, len(LARGE)])
async def test_compression_where_there_is_no_sibling(size: int, tmp_path: Path) -> None:
    path = make_file(tmp_path / "a.txt", bytes(size))
    app = app_with(path, lambda response: response.enable_compression())
    for extensions in ({}, PATHSEND, ZERO_COPY):
        driver = await ask(app, headers={"Accept-Encoding": "gzip"}, extensions=extensions)
        assert driver.headers[b"content-encoding"] == b"gzip"
        assert driver.headers[b"etag"].startswith(b'W/"')
        assert b"content-length" not in driver.headers
        assert gzip.decompress(driver.body) == bytes(size)


async def test_nothing_is_compressed_twice(tmp_path: Path) -> None:
    path = make_file(tmp_path / "a.txt")
    add_siblings(path, ".gz")
    app = app_with(path, lambda response: response.enable_compression())
    driver = await ask(app, headers={"Accept-Encoding": "gzip"})
    assert (driver.body, driver.headers[b"content-encoding"]) == (b".gz", b"gzip")


@pytest.mark.parametrize("value", ["bytes=0-1", "bytes=0-1,900-901", "bytes=5000-"])
async def test_ranges_are_not_compressed(value: str, tmp_path: Path) -> None:
    path = make_file(tmp_path / "a.txt", LARGE[:1000])
    app = app_with(path, lambda response: response.enable_compression(web.ContentCoding.deflate))
    driver = await ask(app, headers={"Range": value})
    assert driver.status in {206, 416}
    assert b"content-encoding" not in driver.headers
    assert zlib.decompress((await ask(app)).body) == LARGE[:1000]


# The server's own ways


async def test_a_server_with_pathsend_is_given_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_file(tmp_path / "a", LARGE)
    monkeypatch.chdir(tmp_path)
    driver = await ask(app_with("a"), extensions=PATHSEND)
    assert driver.sent[1:] == [{"type": "http.response.pathsend", "path": str(tmp_path / "a")}]
    assert driver.headers[b"content-length"] == b"%d" % len(LARGE)


async def test_what_is_in_memory_is_sent_from_there(tmp_path: Path) -> None:
    driver = await ask(app_with(make_file(tmp_path / "a")), extensions=PATHSEND)
    assert driver.body == b"0123456789"


async def test_a_path_is_no_range(tmp_path: Path) -> None:
    path = make_file(tmp_path / "a", LARGE)
    driver = await ask(app_with(path), headers={"Range": "bytes=0-9"}, extensions=PATHSEND)
    assert driver.body == LARGE[:10]


async def test_a_server_with_zerocopysend_is_given_the_file(tmp_path: Path) -> None:
    sent = b""

    class Server(Driver):
        async def send(self, message: Any) -> None:
            nonlocal sent
            if message["type"] == "http.response.zerocopysend":
                sent += os.pread(message["file"], message["count"], message["offset"])
            await super().send(message)

    app = app_with(make_file(tmp_path / "a", LARGE))
    await Server.http(app, extensions=ZERO_COPY).run()
    assert sent == LARGE


# What becomes of the file


@pytest.mark.parametrize("cached", [True, False])
async def test_a_file_that_becomes_shorter_breaks_the_connection_off(
    cached: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not cached:
        without_cache(monkeypatch)
    path = make_file(tmp_path / "a", LARGE)

    class Server(Driver):
        async def send(self, message: Any) -> None:
            await super().send(message)
            os.truncate(path, 1_500_000)

    driver = Server.http(app_with(path))
    with pytest.raises(RuntimeError, match="became shorter"):
        await driver.run()
    assert not driver.complete
    assert LARGE.startswith(driver.body)


async def test_a_file_that_grows_is_sent_as_long_as_it_was(tmp_path: Path) -> None:
    path = make_file(tmp_path / "a", LARGE)

    class Server(Driver):
        async def send(self, message: Any) -> None:
            await super().send(message)
            with path.open("ab") as file:
                file.write(b"more")

    driver = await Server.http(app_with(path)).run()
    assert driver.body == LARGE


async def test_a_file_that_vanishes_is_sent_all_the_same(tmp_path: Path) -> None:
    path = make_file(tmp_path / "a", LARGE)

    class Server(Driver):
        async def send(self, message: Any) -> None:
            await super().send(message)
            path.unlink(missing_ok=True)

    driver = await Server.http(app_with(path)).run()
    assert driver.body == LARGE


# File descriptors

needs_proc = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="the system does not list descriptors")


@needs_proc
async def test_the_file_is_closed(tmp_path: Path) -> None:
    make_file(tmp_path / "a", LARGE)
    app = app_with(tmp_path / "a")
    await ask(app)
    before = open_descriptors()
    for method, headers in [
        ("GET", {}),
        ("HEAD", {}),
        ("GET", {"If-None-Match": "*"}),
        ("GET", {"If-Match": '"x"'}),
        ("GET", {"Range": "bytes=0-1"}),
        ("GET", {"Range": "x"}),
    ]:
        for extensions in ({}, PATHSEND, ZERO_COPY):
            await ask(app, method, headers, extensions=extensions)
            assert open_descriptors() == before


@needs_proc
async def test_the_file_is_closed_when_a_receiver_of_on_response_prepare_raises(tmp_path: Path) -> None:
    app = app_with(make_file(tmp_path / "a", LARGE))

    async def fail(request: web.Request, response: web.StreamResponse) -> None:
        raise RuntimeError("no")

    app.on_response_prepare.append(fail)
    assert (await ask(app)).status == 500
    before = open_descriptors()
    assert (await ask(app)).status == 500
    assert open_descriptors() == before


@needs_proc
@pytest.mark.parametrize("cached", [True, False])
async def test_the_file_is_closed_when_the_client_leaves(
    cached: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not cached:
        without_cache(monkeypatch)
    app = app_with(make_file(tmp_path / "a", LARGE))
    await ask(app)
    before = open_descriptors()

    class Server(Driver):
        async def send(self, message: Any) -> None:
            await super().send(message)
            if len(self.sent) == 2:
                self.send_error = OSError("gone")

    driver = await Server.http(app).run()
    assert len(driver.sent) == 2
    gc.collect()
    assert open_descriptors() <= before


@needs_proc
@pytest.mark.parametrize("cached", [True, False])
async def test_the_file_is_closed_when_the_task_is_cancelled(
    cached: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not cached:
        without_cache(monkeypatch)
    app = app_with(make_file(tmp_path / "a", LARGE))
    await ask(app)
    before = open_descriptors()

    class Server(Driver):
        async def send(self, message: Any) -> None:
            await super().send(message)
            if len(self.sent) == 2:
                await asyncio.Event().wait()

    driver = Server.http(app)
    task = driver.start()
    await driver.until_sent(2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    for _ in range(100):
        if open_descriptors() <= before:
            break
        await asyncio.sleep(0.01)
    assert open_descriptors() <= before


@needs_proc
def test_a_file_that_nobody_sends_closes_itself(tmp_path: Path) -> None:
    path = str(make_file(tmp_path / "a", LARGE))
    before = open_descriptors()
    opened = open_file(path)
    assert open_descriptors() == before + 1
    del opened
    gc.collect()
    assert open_descriptors() == before


# Opened files


def test_open_file_refuses_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(SpecialFileError):
        open_file(str(tmp_path))
    with pytest.raises(FileNotFoundError):
        open_file(str(tmp_path / "a"))


async def test_an_opened_file_is_sent_without_opening_it_again(tmp_path: Path) -> None:
    path = make_file(tmp_path / "a")
    opened = open_file(str(path), "")
    path.unlink()
    assert (await ask(app_with(path, opened=opened))).body == b"0123456789"


async def test_a_closed_file_gives_nothing(tmp_path: Path) -> None:
    opened = open_file(str(make_file(tmp_path / "a", LARGE)))
    opened.close()
    opened.close()
    assert opened.read(10, 0) == b""
    with pytest.raises(RuntimeError, match="became shorter"):
        [piece async for piece in pieces(opened, 0, 10, 10)]


# What programs give


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("a.html", b"text/html"),
        ("a.css", b"text/css"),
        ("a.png", b"image/png"),
        ("a.tar.gz", b"application/gzip"),
        ("a.br", b"application/x-brotli"),
        ("data:a.txt", b"text/plain"),
        ("a", b"application/octet-stream"),
        ("a.unknown", b"application/octet-stream"),
    ],
)
async def test_the_content_type_is_by_extension(name: str, content_type: bytes, tmp_path: Path) -> None:
    driver = await ask(app_with(make_file(tmp_path / name)))
    assert driver.headers[b"content-type"] == content_type


async def test_content_types_of_the_programs_own(tmp_path: Path) -> None:
    files.CONTENT_TYPES.add_type("application/x-mine", ".mine")
    driver = await ask(app_with(make_file(tmp_path / "a.mine")))
    assert driver.headers[b"content-type"] == b"application/x-mine"


async def test_headers_of_the_program_are_kept(tmp_path: Path) -> None:
    given = {"Content-Type": "x/y", "Cache-Control": "no-cache", "Content-Disposition": "attachment", "Vary": "Cookie"}
    path = make_file(tmp_path / "a.txt")
    add_siblings(path, ".gz")
    driver = await ask(app_with(path, headers=given))
    assert driver.headers[b"content-type"] == b"x/y"
    assert driver.headers[b"cache-control"] == b"no-cache"
    assert driver.headers[b"content-disposition"] == b"attachment"
    assert driver.headers[b"vary"] == b"Cookie, Accept-Encoding"


async def test_without_a_length_the_server_frames_it(tmp_path: Path) -> None:
    app = app_with(make_file(tmp_path / "a"), lambda response: response.enable_chunked_encoding())
    driver = await ask(app)
    assert b"content-length" not in driver.headers
    assert driver.body == b"0123456789"


async def test_a_handler_may_prepare_it_itself(tmp_path: Path) -> None:
    path = make_file(tmp_path / "a")

    async def handler(request: web.Request) -> web.FileResponse:
        response = web.FileResponse(path)
        await response.prepare(request)
        assert response.eof_sent
        assert response.body_length == 10
        await response.prepare(request)
        return response

    app = web.Application()
    app.router.add_get("/", handler)
    assert (await ask(app)).body == b"0123456789"


def test_bad_use_is_refused() -> None:
    with pytest.raises(TypeError):
        web.FileResponse(None)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="path must be a str"):
        web.FileResponse(b"a")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="chunk_size"):
        web.FileResponse("a", chunk_size=0)
    with pytest.raises(AttributeError):
        files.NOTHING  # noqa: B018

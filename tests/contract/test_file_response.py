"""FileResponse: its constructor, the headers it sets, the body it sends, and what it refuses."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.contract import modules
from tests.contract.asking import ask
from tests.contract.backends import Backend, SocketBackend, exchange
from tests.contract.served_files import AT_MODIFIED, CONTENT, ETAG, MODIFIED, ask_file, make_file

web = modules.web


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return make_file(tmp_path / "file.txt")


# The constructor


def test_defaults(web: Any, path: Path) -> None:
    response = web.FileResponse(path)
    assert (response.status, response.reason) == (200, "OK")
    assert dict(response.headers) == {}
    assert (response.content_length, response.etag, response.last_modified) == (None, None, None)
    assert (response.prepared, response.chunked, response.compression) == (False, False, False)


def test_is_a_stream_response(web: Any) -> None:
    assert issubclass(web.FileResponse, web.StreamResponse)
    assert not issubclass(web.FileResponse, web.Response)


def test_content_type_is_unknown_before_it_is_prepared(web: Any, path: Path) -> None:
    response = web.FileResponse(path)
    assert (response.content_type, response.charset) == ("application/octet-stream", None)


def test_positional_order(web: Any, path: Path) -> None:
    response = web.FileResponse(path, 1024, 404, "Gone fishing", {"X-A": "b"})
    assert (response.status, response.reason, dict(response.headers)) == (404, "Gone fishing", {"X-A": "b"})


def test_keyword_names(web: Any, path: Path) -> None:
    response = web.FileResponse(path=path, chunk_size=1, status=201, reason="Made", headers={"X-A": "b"})
    assert (response.status, response.reason, dict(response.headers)) == (201, "Made", {"X-A": "b"})


@pytest.mark.parametrize("name", ["body", "text", "content_type", "filename", "charset"])
def test_keywords_of_other_responses(web: Any, path: Path, name: str) -> None:
    with pytest.raises(TypeError):
        web.FileResponse(path, **{name: "x"})


def test_file_is_not_looked_at_by_the_constructor(web: Any, tmp_path: Path) -> None:
    assert web.FileResponse(tmp_path / "missing").status == 200


@pytest.mark.parametrize("value", [None, 1, b"/etc/hostname"], ids=["None", "int", "bytes"])
def test_path_must_be_text(web: Any, value: Any) -> None:
    with pytest.raises(TypeError):
        web.FileResponse(value)


@pytest.mark.parametrize("chunk_size", [0, -1])
def test_chunk_size_of_nothing(web: Any, path: Path, chunk_size: int) -> None:
    if web.__name__.startswith("aiohttp"):
        assert web.FileResponse(path, chunk_size).status == 200
    else:
        with pytest.raises(ValueError, match="chunk_size"):
            web.FileResponse(path, chunk_size)


# What it sends


@pytest.mark.parametrize("kind", [str, Path])
async def test_path_as(backend: Backend, path: Path, kind: Callable[[Path], Any]) -> None:
    response = await ask_file(backend, kind(path))
    assert (response.status_code, response.content) == (200, CONTENT)


async def test_any_path_like(backend: Backend, path: Path) -> None:
    class Like:
        def __fspath__(self) -> str:
            return str(path)

    assert (await ask_file(backend, Like())).content == CONTENT


async def test_relative_path(backend: Backend, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    assert (await ask_file(backend, "file.txt")).content == CONTENT


async def test_headers(backend: Backend, path: Path) -> None:
    response = await ask_file(backend, path)
    assert response.headers["Content-Type"] == "text/plain"
    assert response.headers["Content-Length"] == "10"
    assert response.headers["Last-Modified"] == AT_MODIFIED
    assert response.headers["ETag"] == ETAG
    assert response.headers["Accept-Ranges"] == "bytes"
    for name in ("Content-Range", "Content-Encoding", "Transfer-Encoding", "Content-Disposition", "Cache-Control"):
        assert name not in response.headers


@pytest.mark.parametrize(
    "size",
    [0, 1, 1023, 1024, 1025, 4096, 65535, 65536, 65537, 262143, 262144, 262145, 1_000_003],
)
async def test_body_of_size(backend: Backend, tmp_path: Path, size: int) -> None:
    content = (b"abcdefghijklmnopqrstuvwxyz" * (size // 26 + 1))[:size]
    response = await ask_file(backend, make_file(tmp_path / "f", content))
    assert response.content == content
    assert response.headers["Content-Length"] == str(size)


@pytest.mark.parametrize("chunk_size", [1, 7, 1000, 4096, 10_000])
async def test_body_in_chunks_of(backend: Backend, tmp_path: Path, chunk_size: int) -> None:
    content = bytes(range(250)) * 16
    response = await ask_file(backend, make_file(tmp_path / "f", content), chunk_size=chunk_size)
    assert response.content == content


async def test_empty_file(backend: Backend, tmp_path: Path) -> None:
    response = await ask_file(backend, make_file(tmp_path / "f.txt", b""))
    assert (response.status_code, response.content) == (200, b"")
    assert (response.headers["Content-Length"], response.headers["Content-Type"]) == ("0", "text/plain")
    assert response.headers["ETag"] == '"17979cfe362a0000-0"'


async def test_head(backend: Backend, path: Path) -> None:
    response = await ask_file(backend, path, "HEAD")
    assert (response.status_code, response.content) == (200, b"")
    assert (response.headers["Content-Length"], response.headers["Content-Type"]) == ("10", "text/plain")
    assert (response.headers["ETag"], response.headers["Last-Modified"]) == (ETAG, AT_MODIFIED)


async def test_head_on_the_wire(socket_backend: SocketBackend, path: Path) -> None:
    async def handler(request: Any) -> Any:
        return socket_backend.web.FileResponse(path)

    app = socket_backend.web.Application()
    app.router.add_get("/", handler)
    async with socket_backend.serve(app) as address:
        received = await exchange(address, b"HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    head, _, body = received.partition(b"\r\n\r\n")
    assert b"content-length: 10" in head.lower()
    assert body == b""


async def test_two_requests_on_one_connection(socket_backend: SocketBackend, path: Path) -> None:
    async def handler(request: Any) -> Any:
        return socket_backend.web.FileResponse(path)

    app = socket_backend.web.Application()
    app.router.add_get("/", handler)
    async with socket_backend.serve(app) as address:
        first = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
        received = await exchange(address, first + b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert received.count(b"\r\n\r\n" + CONTENT) == 2


async def test_http_1_0(socket_backend: SocketBackend, path: Path) -> None:
    async def handler(request: Any) -> Any:
        return socket_backend.web.FileResponse(path)

    app = socket_backend.web.Application()
    app.router.add_get("/", handler)
    async with socket_backend.serve(app) as address:
        received = await exchange(address, b"GET / HTTP/1.0\r\n\r\n")
    assert received.endswith(b"\r\n\r\n" + CONTENT)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_any_method_gets_the_file(backend: Backend, path: Path, method: str) -> None:
    response = await ask_file(backend, path, method)
    assert (response.status_code, response.content) == (200, CONTENT)


@pytest.mark.parametrize("status", [200, 201, 202, 400, 404, 410, 500, 503])
async def test_status(backend: Backend, path: Path, status: int) -> None:
    response = await ask_file(backend, path, status=status)
    assert (response.status_code, response.content) == (status, CONTENT)
    assert response.headers["Content-Type"] == "text/plain"
    assert response.headers["Content-Length"] == "10"


@pytest.mark.parametrize("status", [204, 304])
async def test_status_without_body(backend: Backend, path: Path, status: int) -> None:
    response = await ask_file(backend, path, status=status)
    assert (response.status_code, response.content) == (status, b"")


async def test_headers_are_added(backend: Backend, path: Path) -> None:
    response = await ask_file(backend, path, headers={"X-A": "b", "Cache-Control": "max-age=60"})
    assert (response.headers["X-A"], response.headers["Cache-Control"]) == ("b", "max-age=60")
    assert response.headers["ETag"] == ETAG


async def test_headers_as_pairs(backend: Backend, path: Path) -> None:
    response = await ask_file(backend, path, headers=[("X-A", "b"), ("X-A", "c")])
    assert response.headers.get_list("X-A") == ["b", "c"]


async def test_content_disposition(backend: Backend, path: Path) -> None:
    response = await ask_file(backend, path, headers={"Content-Disposition": 'attachment; filename="a b.txt"'})
    assert response.headers["Content-Disposition"] == 'attachment; filename="a b.txt"'


async def test_cookie(backend: Backend, path: Path) -> None:
    response = await ask_file(backend, path, change=lambda response: response.set_cookie("a", "b"))
    assert response.headers["Set-Cookie"] == "a=b; Path=/"


@pytest.mark.parametrize(
    ("name", "value", "sent"),
    [
        ("ETag", '"mine"', ETAG),
        ("Last-Modified", "Tue, 14 Nov 2000 22:13:20 GMT", AT_MODIFIED),
        ("Content-Length", "3", "10"),
        ("Accept-Ranges", "none", "bytes"),
    ],
)
async def test_header_that_the_file_decides(backend: Backend, path: Path, name: str, value: str, sent: str) -> None:
    response = await ask_file(backend, path, headers={name: value})
    assert response.headers.get_list(name) == [sent]
    assert response.content == CONTENT


async def test_etag_and_last_modified_set_before(backend: Backend, path: Path) -> None:
    def change(response: Any) -> None:
        response.etag = "mine"
        response.last_modified = 1

    response = await ask_file(backend, path, change=change)
    assert (response.headers["ETag"], response.headers["Last-Modified"]) == (ETAG, AT_MODIFIED)


async def test_content_length_set_before(backend: Backend, path: Path) -> None:
    response = await ask_file(backend, path, change=lambda response: setattr(response, "content_length", 3))
    assert (response.headers["Content-Length"], response.content) == ("10", CONTENT)


async def test_status_set_after(backend: Backend, path: Path) -> None:
    response = await ask_file(backend, path, change=lambda response: response.set_status(418))
    assert (response.status_code, response.content) == (418, CONTENT)


async def test_reason(socket_backend: SocketBackend, path: Path) -> None:
    seen: list[Any] = []

    async def look(request: Any, response: Any) -> None:
        seen.append((response.status, response.reason))

    async def handler(request: Any) -> Any:
        return socket_backend.web.FileResponse(path, status=404, reason="Gone fishing")

    app = socket_backend.web.Application()
    app.router.add_get("/", handler)
    app.on_response_prepare.append(look)
    async with socket_backend.client(app) as client:
        await client.get("/")
    assert seen == [(404, "Gone fishing")]


# Content types

TYPES = {
    "txt": "text/plain",
    "html": "text/html",
    "htm": "text/html",
    "css": "text/css",
    "csv": "text/csv",
    "xml": "text/xml",
    "py": "text/x-python",
    "vcf": "text/x-vcard",
    "js": "application/javascript",
    "mjs": "application/javascript",
    "json": "application/json",
    "webmanifest": "application/manifest+json",
    "wasm": "application/wasm",
    "pdf": "application/pdf",
    "zip": "application/zip",
    "doc": "application/msword",
    "sh": "application/x-sh",
    "m3u8": "application/vnd.apple.mpegurl",
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "svg": "image/svg+xml",
    "ico": "image/vnd.microsoft.icon",
    "avif": "image/avif",
    "bmp": "image/bmp",
    "mp3": "audio/mpeg",
    "wav": "audio/x-wav",
    "mp4": "video/mp4",
    "webm": "video/webm",
    "bin": "application/octet-stream",
    "exe": "application/octet-stream",
    "nothing-known": "application/octet-stream",
    "TXT": "text/plain",
    "Html": "text/html",
    "tar": "application/x-tar",
    "gz": "application/gzip",
    "bz2": "application/x-bzip2",
    "xz": "application/x-xz",
    "br": "application/x-brotli",
    "tar.gz": "application/gzip",
    "txt.gz": "application/gzip",
    "tar.bz2": "application/x-bzip2",
    "tar.xz": "application/x-xz",
    "js.br": "application/x-brotli",
    "min.js": "application/javascript",
    "html.txt": "text/plain",
}


@pytest.mark.parametrize("extension", TYPES)
async def test_content_type_of(backend: Backend, tmp_path: Path, extension: str) -> None:
    response = await ask_file(backend, make_file(tmp_path / f"file.{extension}"))
    assert response.headers["Content-Type"] == TYPES[extension]
    # The octets go out as they are: whoever asks for a compressed file wants one.
    assert response.content == CONTENT
    if extension != "tar":
        assert "Content-Encoding" not in response.headers


@pytest.mark.parametrize("name", ["README", ".hidden", ".html", "name.", "txt"])
async def test_content_type_without_extension(backend: Backend, tmp_path: Path, name: str) -> None:
    response = await ask_file(backend, make_file(tmp_path / name))
    assert response.headers["Content-Type"] == "application/octet-stream"


async def test_content_type_is_of_the_name_not_of_the_link_target(backend: Backend, path: Path) -> None:
    link = path.with_name("link.html")
    link.symlink_to(path)
    response = await ask_file(backend, link)
    assert (response.headers["Content-Type"], response.content) == ("text/html", CONTENT)


async def test_preset_content_type_by_attribute(backend: Backend, path: Path) -> None:
    response = await ask_file(backend, path, change=lambda response: setattr(response, "content_type", "text/x-mine"))
    assert response.headers["Content-Type"] == "text/x-mine"


async def test_preset_content_type_by_header(backend: Backend, path: Path) -> None:
    response = await ask_file(backend, path, headers={"Content-Type": "text/html; charset=utf-8"})
    assert response.headers.get_list("Content-Type") == ["text/html; charset=utf-8"]


async def test_preset_content_encoding(backend: Backend, path: Path) -> None:
    response = await ask_file(backend, path, headers={"Content-Encoding": "x-mine"})
    assert (response.headers["Content-Encoding"], response.content) == ("x-mine", CONTENT)


# Last-Modified and ETag


@pytest.mark.parametrize(
    ("nanoseconds", "modified"),
    [
        (MODIFIED * 10**9, AT_MODIFIED),
        (MODIFIED * 10**9 + 1_000_000, "Tue, 14 Nov 2023 22:13:21 GMT"),
        (MODIFIED * 10**9 + 500_000_000, "Tue, 14 Nov 2023 22:13:21 GMT"),
        (MODIFIED * 10**9 + 999_999_999, "Tue, 14 Nov 2023 22:13:21 GMT"),
        (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
        (-100 * 10**9, "Wed, 31 Dec 1969 23:58:20 GMT"),
    ],
    ids=["whole", "a millisecond more", "half a second more", "nearly a second more", "epoch", "before the epoch"],
)
async def test_last_modified_is_rounded_up(backend: Backend, tmp_path: Path, nanoseconds: int, modified: str) -> None:
    response = await ask_file(backend, make_file(tmp_path / "f", nanoseconds=nanoseconds))
    assert response.headers["Last-Modified"] == modified


@pytest.mark.parametrize("nanoseconds", [MODIFIED * 10**9, MODIFIED * 10**9 + 1, 10**18 + 123_456_789, 0, -(10**11)])
@pytest.mark.parametrize("size", [0, 10, 4096])
async def test_etag_is_modification_and_size(backend: Backend, tmp_path: Path, nanoseconds: int, size: int) -> None:
    path = make_file(tmp_path / "f", b"x" * size, nanoseconds)
    response = await ask_file(backend, path)
    assert response.headers["ETag"] == f'"{path.stat().st_mtime_ns:x}-{size:x}"'


async def test_file_changed_between_responses(backend: Backend, path: Path) -> None:
    async def handler(request: Any) -> Any:
        return backend.web.FileResponse(path)

    app = backend.web.Application()
    app.router.add_get("/", handler)
    async with backend.client(app) as client:
        first = await client.get("/")
        make_file(path, b"other and longer", (MODIFIED + 5) * 10**9)
        second = await client.get("/", headers={"If-None-Match": first.headers["ETag"]})
        path.unlink()
        third = await client.get("/")
    assert (first.content, second.status_code, second.content) == (CONTENT, 200, b"other and longer")
    assert first.headers["ETag"] != second.headers["ETag"]
    assert second.headers["Last-Modified"] == "Tue, 14 Nov 2023 22:13:25 GMT"
    assert third.status_code == 404


async def test_file_replaced_with_the_same_time_and_size(backend: Backend, path: Path) -> None:
    async def handler(request: Any) -> Any:
        return backend.web.FileResponse(path)

    app = backend.web.Application()
    app.router.add_get("/", handler)
    async with backend.client(app) as client:
        first = await client.get("/")
        other = make_file(path.with_name("other"), b"abcdefghij")
        other.replace(path)
        second = await client.get("/")
    # Nothing of a file is kept from one request to the next.
    assert (first.content, second.content) == (CONTENT, b"abcdefghij")


# What is no file


async def status_of(backend: Backend, path: Any, method: str = "GET") -> int:
    response = await ask_file(backend, path, method)
    assert CONTENT not in response.content
    assert "ETag" not in response.headers
    assert "Last-Modified" not in response.headers
    return response.status_code


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
async def test_missing_file(backend: Backend, tmp_path: Path, method: str) -> None:
    assert await status_of(backend, tmp_path / "missing", method) == 404


async def test_missing_file_has_no_body(backend: Backend, tmp_path: Path) -> None:
    assert (await ask_file(backend, tmp_path / "missing")).content == b""


async def test_missing_file_keeps_the_headers_of_the_program(backend: Backend, tmp_path: Path) -> None:
    response = await ask_file(backend, tmp_path / "missing", headers={"X-A": "b"})
    assert (response.status_code, response.headers["X-A"]) == (404, "b")


async def test_missing_file_whatever_the_conditions(backend: Backend, tmp_path: Path) -> None:
    headers = {"If-None-Match": "*", "If-Match": '"x"', "Range": "bytes=0-1"}
    assert (await ask_file(backend, tmp_path / "missing", request_headers=headers)).status_code == 404


async def test_status_of_the_program_is_lost_with_the_file(backend: Backend, tmp_path: Path) -> None:
    assert (await ask_file(backend, tmp_path / "missing", status=201)).status_code == 404


async def test_path_below_a_file(backend: Backend, path: Path) -> None:
    assert await status_of(backend, path / "x") == 404


async def test_name_too_long(backend: Backend, tmp_path: Path) -> None:
    assert await status_of(backend, tmp_path / ("x" * 300)) == 404


async def test_dangling_link(backend: Backend, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("gone")
    assert await status_of(backend, tmp_path / "link") == 404


async def test_link_to_itself(backend: Backend, tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    assert await status_of(backend, tmp_path / "loop") == 404


async def test_name_of_undecodable_octets(backend: Backend, tmp_path: Path) -> None:
    assert await status_of(backend, tmp_path / "\udcff.txt") == 404


@pytest.mark.parametrize("path", ["a\0b", "/etc/hostname\0.txt"])
async def test_path_with_nul(backend: Backend, path: str) -> None:
    if backend.name == "aiohttp":
        # A ValueError outside of any handler: the connection is closed without an answer.
        with pytest.raises(httpx.RemoteProtocolError):
            await ask_file(backend, path)
    else:
        assert await status_of(backend, path) == 404


async def test_empty_path(backend: Backend) -> None:
    # For pathlib it is the working directory, for the system nothing at all.
    assert await status_of(backend, "") == (403 if backend.name == "aiohttp" else 404)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_directory(backend: Backend, tmp_path: Path, method: str) -> None:
    assert await status_of(backend, tmp_path, method) == 403


async def test_link_to_a_directory(backend: Backend, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder")
    assert await status_of(backend, tmp_path / "link") == 403


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_fifo_does_not_block(backend: Backend, tmp_path: Path, method: str) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert await status_of(backend, tmp_path / "fifo", method) == 403


async def test_socket(backend: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # By a relative name, because the path of a socket may have about a hundred octets.
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("s")
        assert await status_of(backend, tmp_path / "s") == 403


@pytest.mark.parametrize("device", ["/dev/null", "/dev/zero"])
async def test_device(backend: Backend, device: str) -> None:
    assert await status_of(backend, device) == 403


async def test_file_that_may_not_be_read(backend: Backend, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Permissions stop nobody where the tests run as root: the system's own refusal is what both packages get to see.
    real_open, refused = os.open, os.fspath(path)

    def refuse(name: Any, *args: Any, **options: Any) -> int:
        if os.fspath(name) == refused:
            raise PermissionError(13, "Permission denied", refused)
        return real_open(name, *args, **options)

    def refuse_io(name: Any, *args: Any, **options: Any) -> Any:
        raise PermissionError(13, "Permission denied", refused)

    if backend.name == "aiohttp":
        monkeypatch.setattr(type(path), "open", refuse_io)
    monkeypatch.setattr(os, "open", refuse)
    assert await status_of(backend, path) == 403


async def test_linked_file(backend: Backend, path: Path) -> None:
    link = path.with_name("link.txt")
    link.symlink_to(path)
    assert (await ask_file(backend, link)).content == CONTENT


# With the rest of the response


async def test_on_response_prepare_sees_the_headers(backend: Backend, path: Path) -> None:
    seen: list[dict[str, Any]] = []

    async def look(request: Any, response: Any) -> None:
        seen.append({**response.headers, "status": response.status, "length": response.content_length})
        response.headers["X-Seen"] = "yes"

    async def handler(request: Any) -> Any:
        return backend.web.FileResponse(path)

    app = backend.web.Application()
    app.router.add_get("/", handler)
    app.on_response_prepare.append(look)
    async with backend.client(app) as client:
        response = await client.get("/")
    assert (response.content, response.headers["X-Seen"]) == (CONTENT, "yes")
    (headers,) = seen
    assert (headers["status"], headers["length"]) == (200, 10)
    assert (headers["Content-Type"], headers["Last-Modified"]) == ("text/plain", AT_MODIFIED)
    assert headers["Etag"] == ETAG
    assert headers["Accept-Ranges"] == "bytes"


@pytest.mark.parametrize(
    ("request_headers", "status"),
    [({"If-None-Match": "*"}, 304), ({"If-Match": '"x"'}, 412), ({"Range": "bytes=0-1"}, 206), ({"Range": "x"}, 416)],
    ids=["304", "412", "206", "416"],
)
async def test_on_response_prepare_sees_the_final_status(
    backend: Backend, path: Path, request_headers: dict[str, str], status: int
) -> None:
    seen: list[int] = []

    async def look(request: Any, response: Any) -> None:
        seen.append(response.status)

    async def handler(request: Any) -> Any:
        return backend.web.FileResponse(path)

    app = backend.web.Application()
    app.router.add_get("/", handler)
    app.on_response_prepare.append(look)
    async with backend.client(app) as client:
        response = await client.get("/", headers=request_headers)
    assert (response.status_code, seen) == (status, [status])


async def test_middleware_adds_a_header(backend: Backend, path: Path) -> None:
    @backend.web.middleware  # type: ignore[untyped-decorator]
    async def middleware(request: Any, handler: Any) -> Any:
        response = await handler(request)
        assert isinstance(response, backend.web.FileResponse)
        assert not response.prepared
        response.headers["X-Mine"] = "yes"
        return response

    async def handler(request: Any) -> Any:
        return backend.web.FileResponse(path)

    app = backend.web.Application(middlewares=[middleware])
    app.router.add_get("/", handler)
    async with backend.client(app) as client:
        response = await client.get("/")
    assert (response.content, response.headers["X-Mine"]) == (CONTENT, "yes")


async def test_prepared_in_the_handler(backend: Backend, path: Path) -> None:
    seen: list[Any] = []

    async def handler(request: Any) -> Any:
        response = backend.web.FileResponse(path)
        await response.prepare(request)
        seen.append((response.prepared, response.status, response.content_length))
        return response

    response = await ask(backend, handler)
    assert (response.content, seen) == (CONTENT, [(True, 200, 10)])


async def test_raised_to_a_middleware_that_swaps_the_response(backend: Backend, path: Path) -> None:
    @backend.web.middleware  # type: ignore[untyped-decorator]
    async def middleware(request: Any, handler: Any) -> Any:
        try:
            return await handler(request)
        except backend.web.HTTPNotFound:
            return backend.web.FileResponse(path, status=404)

    app = backend.web.Application(middlewares=[middleware])
    async with backend.client(app) as client:
        response = await client.get("/nothing")
    assert (response.status_code, response.content) == (404, CONTENT)


async def test_subclass(backend: Backend, path: Path) -> None:
    class Mine(backend.web.FileResponse):  # type: ignore[misc, name-defined]
        async def prepare(self, request: Any) -> Any:
            self.headers["X-Mine"] = "yes"
            return await super().prepare(request)

    async def handler(request: Any) -> Any:
        return Mine(path)

    response = await ask(backend, handler)
    assert (response.content, response.headers["X-Mine"]) == (CONTENT, "yes")


async def test_chunked_encoding(backend: Backend, path: Path) -> None:
    def change(response: Any) -> None:
        response.enable_chunked_encoding()

    if backend.name == "aiohttp":
        with pytest.raises(httpx.RemoteProtocolError):
            await ask_file(backend, path, change=change)
    else:
        response = await ask_file(backend, path, change=change)
        assert (response.content, "Content-Length" in response.headers) == (CONTENT, False)


async def test_partial_content_as_the_status(backend: Backend, path: Path) -> None:
    if backend.name == "aiohttp":
        with pytest.raises(httpx.RemoteProtocolError):
            await ask_file(backend, path, status=206)
    else:
        response = await ask_file(backend, path, status=206, headers={"Content-Range": "bytes 0-9/100"})
        assert (response.status_code, response.content) == (206, CONTENT)
        assert response.headers["Content-Range"] == "bytes 0-9/100"


# Compression on the way


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
async def test_compressed_for_who_takes_it(backend: Backend, tmp_path: Path, coding: str) -> None:
    content = b"abc" * 1000
    response = await ask_file(
        backend,
        make_file(tmp_path / "f.txt", content),
        request_headers={"Accept-Encoding": coding},
        change=lambda response: response.enable_compression(),
    )
    assert (response.content, response.headers["Content-Encoding"]) == (content, coding)
    assert "Content-Length" not in response.headers
    assert response.headers["Content-Type"] == "text/plain"


@pytest.mark.parametrize("accepted", ["", "identity"])
async def test_not_compressed_for_others(backend: Backend, tmp_path: Path, accepted: str) -> None:
    content = b"abc" * 1000
    response = await ask_file(
        backend,
        make_file(tmp_path / "f.txt", content),
        request_headers={"Accept-Encoding": accepted},
        change=lambda response: response.enable_compression(),
    )
    assert (response.content, response.headers["Content-Length"]) == (content, "3000")
    assert "Content-Encoding" not in response.headers


async def test_compressed_whoever_asks(backend: Backend, tmp_path: Path) -> None:
    content = b"abc" * 1000
    response = await ask_file(
        backend,
        make_file(tmp_path / "f.txt", content),
        change=lambda response: response.enable_compression(backend.web.ContentCoding.gzip),
    )
    assert (response.content, response.headers["Content-Encoding"]) == (content, "gzip")


async def test_compressed_large_file(backend: Backend, tmp_path: Path) -> None:
    content = os.urandom(1000) * 400
    response = await ask_file(
        backend,
        make_file(tmp_path / "f.bin", content),
        request_headers={"Accept-Encoding": "gzip"},
        change=lambda response: response.enable_compression(),
    )
    assert (response.content, response.headers["Content-Encoding"]) == (content, "gzip")


async def test_range_with_compression(backend: Backend, tmp_path: Path) -> None:
    response = await ask_file(
        backend,
        make_file(tmp_path / "f.txt", b"abc" * 1000),
        request_headers={"Accept-Encoding": "gzip", "Range": "bytes=0-4"},
        change=lambda response: response.enable_compression(),
    )
    assert (response.status_code, response.content) == (206, b"abcab")
    # A range is one of the octets that the tag names: to compress it afterwards makes pieces that do not fit together.
    if backend.name == "aiohttp":
        assert response.headers["Content-Encoding"] == "gzip"
    else:
        assert "Content-Encoding" not in response.headers
        assert response.headers["Content-Length"] == "5"

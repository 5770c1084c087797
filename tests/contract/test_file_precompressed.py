"""Files beside a file with `.br` or `.gz` added to its name, sent in its place to who takes the coding."""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import Any

import brotli  # type: ignore[import-untyped]
import httpx
import pytest

from tests.contract.backends import Backend
from tests.contract.served_files import AT_MODIFIED, CONTENT, ETAG, MODIFIED, ask_file, folder, make_file

GZIPPED = gzip.compress(b"from the .gz", mtime=0)
BROTLIED = brotli.compress(b"from the .br")
SIBLING_MODIFIED = (MODIFIED + 10) * 10**9
AT_SIBLING_MODIFIED = "Tue, 14 Nov 2023 22:13:30 GMT"

#: What the client finds after decoding, by the coding that was sent.
DECODED = {"br": b"from the .br", "gzip": b"from the .gz", None: CONTENT}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A script, and its two siblings."""
    path = make_file(tmp_path / "script.js")
    make_file(tmp_path / "script.js.gz", GZIPPED, SIBLING_MODIFIED)
    make_file(tmp_path / "script.js.br", BROTLIED, SIBLING_MODIFIED)
    return path


def gzip_only(path: Path) -> Path:
    path.with_name("script.js.br").unlink()
    return path


async def ask_accepting(backend: Backend, path: Path, accepted: str, **headers: str) -> httpx.Response:
    others = {name.replace("_", "-"): value for name, value in headers.items()}
    return await ask_file(backend, path, request_headers={"Accept-Encoding": accepted, **others})


def coding_of(response: httpx.Response) -> str | None:
    """The coding that was sent, after a look at whether the body agrees with it."""
    coding: str | None = response.headers.get("Content-Encoding")
    assert (response.status_code, response.content) == (200, DECODED[coding])
    assert response.headers["Content-Type"] == "application/javascript"
    return coding


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip", "gzip"),
        ("br", "br"),
        ("gzip, br", "br"),
        ("br, gzip", "br"),
        ("gzip, deflate, br", "br"),
        ("gzip, deflate", "gzip"),
        ("deflate, gzip;q=1.0, *;q=0.5", "gzip"),
        ("br;q=1.0, gzip;q=0.8, *;q=0.1", "br"),
        ("gzip;q=0.5", "gzip"),
        ("GZIP", "gzip"),
        ("BR", "br"),
        ("gzip,br", "br"),
        ("gzip ,  br", "br"),
        ("x-gzip", "gzip"),
        ("gzip, identity", "gzip"),
        ("gzip, identity;q=0", "gzip"),
        ("br;q=1.0, *;q=0", "br"),
        ("", None),
        ("identity", None),
        ("deflate", None),
        ("compress, deflate", None),
        ("identity;q=0", None),
        ("*;q=0", None),
    ],
)
async def test_coding_chosen(backend: Backend, path: Path, accepted: str, coding: str | None) -> None:
    if accepted == "deflate, gzip;q=1.0, *;q=0.5":
        gzip_only(path)
    assert coding_of(await ask_accepting(backend, path, accepted)) == coding


@pytest.mark.parametrize(
    ("accepted", "in_aiohttp", "coding"),
    [
        ("gzip;q=0", "gzip", None),
        ("gzip;q=0.0", "gzip", None),
        ("gzip; q=0.000", "gzip", None),
        ("br;q=0, gzip", "br", "gzip"),
        ("br;q=0.1, gzip;q=0.9", "br", "gzip"),
        ("identity, gzip;q=0.5", "gzip", None),
        ("*", None, "br"),
        ("*, br;q=0", "br", "gzip"),
        ("notgzip", "gzip", None),
        ("gzipped", "gzip", None),
        ("brief", "br", None),
    ],
)
async def test_weights(backend: Backend, path: Path, accepted: str, in_aiohttp: str | None, coding: str | None) -> None:
    """aiohttp looks for the letters "br" and "gzip" in the header; here its weights count (RFC 9110, 12.5.3)."""
    expected = in_aiohttp if backend.name == "aiohttp" else coding
    assert coding_of(await ask_accepting(backend, path, accepted)) == expected


async def test_no_accept_encoding_at_all(backend: Backend, path: Path) -> None:
    async def handler(request: Any) -> Any:
        assert "Accept-Encoding" not in request.headers
        return backend.web.FileResponse(path)

    app = backend.web.Application()
    app.router.add_get("/", handler)
    async with backend.client(app) as client:
        del client.headers["Accept-Encoding"]
        assert coding_of(await client.get("/")) is None


async def test_only_gzip_there(backend: Backend, path: Path) -> None:
    assert coding_of(await ask_accepting(backend, gzip_only(path), "br, gzip")) == "gzip"
    assert coding_of(await ask_accepting(backend, path, "br")) is None


async def test_only_brotli_there(backend: Backend, path: Path) -> None:
    path.with_name("script.js.gz").unlink()
    assert coding_of(await ask_accepting(backend, path, "br, gzip")) == "br"
    assert coding_of(await ask_accepting(backend, path, "gzip")) is None


async def test_none_there(backend: Backend, tmp_path: Path) -> None:
    response = await ask_accepting(backend, make_file(tmp_path / "script.js"), "gzip, br")
    assert coding_of(response) is None
    assert "Vary" not in response.headers


@pytest.mark.parametrize(("accepted", "content"), [("gzip", GZIPPED), ("br", BROTLIED)])
async def test_headers_are_those_of_the_sibling(backend: Backend, path: Path, accepted: str, content: bytes) -> None:
    response = await ask_accepting(backend, path, accepted)
    assert response.headers["Content-Length"] == str(len(content))
    assert response.headers["ETag"] == f'"{SIBLING_MODIFIED:x}-{len(content):x}"'
    assert response.headers["Last-Modified"] == AT_SIBLING_MODIFIED
    assert response.headers["Accept-Ranges"] == "bytes"
    assert response.headers["Vary"] == "Accept-Encoding"


async def test_vary_on_the_identity_answer(backend: Backend, path: Path) -> None:
    response = await ask_accepting(backend, path, "")
    assert (response.headers["ETag"], response.headers["Last-Modified"]) == (ETAG, AT_MODIFIED)
    # Without it a cache gives this answer also to who could have had the sibling, or the other way round.
    assert response.headers.get("Vary") == (None if backend.name == "aiohttp" else "Accept-Encoding")


async def test_vary_of_the_program_stays(backend: Backend, path: Path) -> None:
    response = await ask_file(backend, path, request_headers={"Accept-Encoding": "gzip"}, headers={"Vary": "Cookie"})
    # aiohttp overwrites it.
    assert response.headers["Vary"] == ("Accept-Encoding" if backend.name == "aiohttp" else "Cookie, Accept-Encoding")


async def test_head(backend: Backend, path: Path) -> None:
    response = await ask_file(backend, path, "HEAD", {"Accept-Encoding": "gzip"})
    assert (response.status_code, response.content) == (200, b"")
    assert (response.headers["Content-Encoding"], response.headers["Content-Length"]) == ("gzip", str(len(GZIPPED)))


async def test_conditions_are_about_the_sibling(backend: Backend, path: Path) -> None:
    sibling_etag = f'"{SIBLING_MODIFIED:x}-{len(GZIPPED):x}"'
    assert (await ask_accepting(backend, path, "gzip", If_None_Match=sibling_etag)).status_code == 304
    assert (await ask_accepting(backend, path, "gzip", If_None_Match=ETAG)).status_code == 200
    assert (await ask_accepting(backend, path, "", If_None_Match=sibling_etag)).status_code == 200
    assert (await ask_accepting(backend, path, "gzip", If_Match=ETAG)).status_code == 412
    assert (await ask_accepting(backend, path, "gzip", If_Modified_Since=AT_SIBLING_MODIFIED)).status_code == 304
    assert (await ask_accepting(backend, path, "gzip", If_Modified_Since=AT_MODIFIED)).status_code == 200


async def test_range_is_of_the_sibling(backend: Backend, path: Path) -> None:
    async def handler(request: Any) -> Any:
        return backend.web.FileResponse(path)

    app = backend.web.Application()
    app.router.add_get("/", handler)
    headers = {"Accept-Encoding": "gzip", "Range": "bytes=1-3"}
    async with backend.client(app) as client, client.stream("GET", "/", headers=headers) as response:
        raw = b"".join([piece async for piece in response.aiter_raw()])
    assert (response.status_code, raw) == (206, GZIPPED[1:4])
    assert response.headers["Content-Range"] == f"bytes 1-3/{len(GZIPPED)}"
    assert response.headers["Content-Encoding"] == "gzip"


async def test_status(backend: Backend, path: Path) -> None:
    response = await ask_file(backend, path, request_headers={"Accept-Encoding": "gzip"}, status=404)
    assert (response.status_code, response.content) == (404, b"from the .gz")


async def test_content_type_of_the_program(backend: Backend, path: Path) -> None:
    headers = {"Content-Type": "text/x-mine"}
    response = await ask_file(backend, path, request_headers={"Accept-Encoding": "gzip"}, headers=headers)
    assert (response.headers["Content-Type"], response.headers["Content-Encoding"]) == ("text/x-mine", "gzip")


@pytest.mark.parametrize("extension", ["html", "css", "svg", "json", "unknown"])
async def test_content_type_is_of_the_file_itself(backend: Backend, tmp_path: Path, extension: str) -> None:
    path = make_file(tmp_path / f"f.{extension}")
    make_file(tmp_path / f"f.{extension}.gz", GZIPPED)
    response = await ask_accepting(backend, path, "gzip")
    plain = await ask_accepting(backend, path, "")
    assert (response.headers["Content-Encoding"], response.content) == ("gzip", b"from the .gz")
    assert response.headers["Content-Type"] == plain.headers["Content-Type"]


async def test_older_sibling_is_sent_all_the_same(backend: Backend, tmp_path: Path) -> None:
    path = make_file(tmp_path / "script.js")
    make_file(tmp_path / "script.js.gz", GZIPPED, (MODIFIED - 1000) * 10**9)
    assert coding_of(await ask_accepting(backend, path, "gzip")) == "gzip"


async def test_sibling_without_the_file(backend: Backend, path: Path) -> None:
    path.unlink()
    response = await ask_accepting(backend, path, "gzip")
    # The siblings are of a file; without one, what a client finds must not depend on what it accepts.
    assert response.status_code == (200 if backend.name == "aiohttp" else 404)


async def test_sibling_asked_for_by_its_own_name(backend: Backend, path: Path) -> None:
    response = await ask_accepting(backend, path.with_name("script.js.gz"), "gzip, br")
    assert (response.headers["Content-Type"], response.content) == ("application/gzip", GZIPPED)
    assert "Content-Encoding" not in response.headers


async def test_sibling_that_is_a_directory(backend: Backend, tmp_path: Path) -> None:
    path = make_file(tmp_path / "script.js")
    (tmp_path / "script.js.gz").mkdir()
    assert coding_of(await ask_accepting(backend, path, "gzip")) is None


async def test_sibling_that_is_a_fifo(backend: Backend, tmp_path: Path) -> None:
    path = make_file(tmp_path / "script.js")
    os.mkfifo(tmp_path / "script.js.gz")
    assert coding_of(await ask_accepting(backend, path, "gzip")) is None


@pytest.mark.parametrize("accepted", ["gzip", "br", "gzip, br"])
async def test_sibling_that_is_a_link(backend: Backend, tmp_path: Path, accepted: str) -> None:
    path = make_file(tmp_path / "folder" / "script.js")
    make_file(tmp_path / "secret", GZIPPED)
    for extension in (".gz", ".br"):
        path.with_name("script.js" + extension).symlink_to(tmp_path / "secret")
    assert coding_of(await ask_accepting(backend, path, accepted)) is None


@pytest.mark.parametrize("follow_symlinks", [False, True])
async def test_sibling_that_is_a_link_in_a_folder(backend: Backend, tmp_path: Path, follow_symlinks: bool) -> None:
    path = make_file(tmp_path / "folder" / "script.js")
    path.with_name("script.js.gz").symlink_to(make_file(tmp_path / "secret", GZIPPED))
    async with folder(backend, path.parent, follow_symlinks=follow_symlinks) as client:
        assert coding_of(await client.get("/static/script.js", headers={"Accept-Encoding": "gzip"})) is None


async def test_sibling_that_is_a_dangling_link(backend: Backend, tmp_path: Path) -> None:
    path = make_file(tmp_path / "script.js")
    (tmp_path / "script.js.gz").symlink_to("gone")
    assert coding_of(await ask_accepting(backend, path, "gzip")) is None


async def test_one_sibling_unusable_and_one_good(backend: Backend, path: Path) -> None:
    brotli_sibling = path.with_name("script.js.br")
    brotli_sibling.unlink()
    brotli_sibling.mkdir()
    assert coding_of(await ask_accepting(backend, path, "gzip, br")) == "gzip"


async def test_sibling_and_enable_compression(backend: Backend, path: Path) -> None:
    def change(response: Any) -> None:
        response.enable_compression()

    response = await ask_file(backend, path, "GET", {"Accept-Encoding": "gzip"}, change)
    # Compressed once, not twice.
    assert coding_of(response) == "gzip"


async def test_sibling_of_a_file_with_a_coding_of_its_own(backend: Backend, path: Path) -> None:
    headers = {"Content-Encoding": "x-mine"}
    response = await ask_file(backend, path, request_headers={"Accept-Encoding": "gzip"}, headers=headers)
    if backend.name == "aiohttp":
        # The program's word is lost: that coding is not undone by who takes this one.
        assert (response.headers["Content-Encoding"], response.content) == ("gzip", b"from the .gz")
    else:
        assert (response.headers["Content-Encoding"], response.content) == ("x-mine", CONTENT)


async def test_in_a_folder(backend: Backend, path: Path) -> None:
    async with folder(backend, path.parent) as client:
        for accepted, coding in (("gzip", "gzip"), ("br, gzip", "br"), ("identity", None)):
            response = await client.get("/static/script.js", headers={"Accept-Encoding": accepted})
            assert coding_of(response) == coding


async def test_sibling_appears_while_serving(backend: Backend, tmp_path: Path) -> None:
    path = make_file(tmp_path / "script.js")

    async def handler(request: Any) -> Any:
        return backend.web.FileResponse(path)

    app = backend.web.Application()
    app.router.add_get("/", handler)
    async with backend.client(app) as client:
        client.headers["Accept-Encoding"] = "gzip"
        assert coding_of(await client.get("/")) is None
        make_file(tmp_path / "script.js.gz", GZIPPED)
        assert coding_of(await client.get("/")) == "gzip"


async def test_zstandard(backend: Backend, tmp_path: Path) -> None:
    """aiohttp knows no `.zst`; any octets will do, because httpx leaves a coding that it does not know alone."""
    path = make_file(tmp_path / "script.js")
    make_file(tmp_path / "script.js.zst", b"from the .zst")

    async def handler(request: Any) -> Any:
        return backend.web.FileResponse(path)

    app = backend.web.Application()
    app.router.add_get("/", handler)
    async with backend.client(app) as client, client.stream("GET", "/", headers={"Accept-Encoding": "zstd"}) as got:
        raw = b"".join([piece async for piece in got.aiter_raw()])
    if backend.name == "aiohttp":
        assert (got.headers.get("Content-Encoding"), raw) == (None, CONTENT)
    else:
        assert (got.headers.get("Content-Encoding"), raw) == ("zstd", b"from the .zst")

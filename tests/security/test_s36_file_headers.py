"""S36: no header of a client makes a 500 of a file."""

from __future__ import annotations

import asyncio
import re
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from framework import web
from tests.driver import Driver

NAMES = [
    b"range", b"if-range", b"if-match", b"if-none-match", b"if-modified-since", b"if-unmodified-since",
    b"accept-encoding", b"accept",
]  # fmt: skip
PIECES = [
    b"bytes=", b"0-", b"-", b"1", b"99999999999999999999", b"0-1", b"-5", b",", b", ", b";", b"=", b'"', b"W/", b"*",
    b"\\", b'"a"', b"Mon, 01 Jan 2024 00:00:00 GMT", b"Mon, 01 Jan 0001 00:00:00 GMT", b"31 Feb", b"99:99:99", b"gzip",
    b"br", b"zstd", b";q=", b"0", b"1.0", b"nan", b"inf", b"identity", b"\xff", b"\x00", b"\r\n", b"\xd9\xa1", b" ",
]  # fmt: skip
values = st.lists(st.sampled_from(PIECES), max_size=6).map(b"".join) | st.binary(max_size=16)


@pytest.fixture(scope="module")
def app() -> Any:
    with tempfile.TemporaryDirectory() as name:
        for file in ("a.txt", "a.txt.gz", "b.txt", "empty"):
            Path(name, file).write_bytes(b"0123456789" * (file != "empty"))

        async def handler(request: web.Request) -> web.FileResponse:
            response = web.FileResponse(Path(name, request.match_info["name"]))
            if "compress" in request.query:
                response.enable_compression()
            return response

        app = web.Application()
        app.router.add_route("*", "/{name}", handler)
        app.router.add_static("/static/", name, show_index=True)
        yield app


@settings(derandomize=True, max_examples=400, deadline=None)
@given(
    headers=st.lists(st.tuples(st.sampled_from(NAMES), values), max_size=4),
    method=st.sampled_from(["GET", "HEAD", "POST"]),
    target=st.sampled_from(["/a.txt", "/b.txt", "/empty", "/b.txt?compress", "/missing", "/static/a.txt", "/static/"]),
)
def test_s36_no_header_makes_a_500_of_a_file(app: Any, headers: Any, method: str, target: str) -> None:
    driver = Driver.http(app, method, target, headers=headers)
    asyncio.run(driver.run())
    assert driver.status < 500
    length = driver.headers.get(b"content-length")
    if method != "HEAD" and length is not None:
        assert int(length) == len(driver.body)


@pytest.mark.parametrize("name", NAMES)
async def test_s36_each_header_with_each_piece(app: Any, name: bytes) -> None:
    for piece in PIECES:
        for value in (piece, piece * 2, b"bytes=" + piece, b'"' + piece + b'"', piece * 500):
            driver = await Driver.http(app, target="/a.txt", headers=[(name, value), (b"range", b"bytes=0-1")]).run()
            assert driver.status < 500, value


async def test_s36_a_name_that_a_client_chose(app: Any) -> None:
    for raw in ("%00", "%ff", "%ed%a0%80", "a" * 5000, "..", ".", "%2e%2e%2f%00", "a.txt%2f", "con"):
        driver = await Driver.http(app, target=f"/{raw}").run()
        assert driver.status < 500, raw
        assert not re.search(rb"secret|root:", driver.body)

"""S36: no header field of a part raises a 500, whatever octets are in it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from framework import web
from framework.multipart import BodyPartReader
from tests.driver import Driver

FIELDS = [
    b"Content-Disposition",
    b"Content-Type",
    b"Content-Transfer-Encoding",
    b"Content-Encoding",
    b"Content-Length",
    b"X-Other",
]
PIECES = st.sampled_from(
    [b"text/plain", b"; charset=", b"; filename=", b"\xff", b'"', b"\\", b"=", b"gzip", b"\xe2\x98"]
)


async def collected(request: web.Request) -> web.Response:
    await request.post()
    return web.Response()


async def streamed(request: web.Request) -> web.Response:
    async for part in await request.multipart():
        if isinstance(part, BodyPartReader):
            await part.text()
    return web.Response()


async def ask(target: str, subtype: bytes, field: bytes, value: bytes) -> int:
    app = web.Application()
    app.router.add_post("/collected", collected)
    app.router.add_post("/streamed", streamed)
    head = b'--b\r\nContent-Disposition: form-data; name="a"\r\n'
    headers = [(b"host", b"example.com"), (b"content-type", b"multipart/" + subtype + b"; boundary=b")]
    body = head + field + b": " + value + b"\r\n\r\nx\r\n--b--\r\n"
    headers.append((b"content-length", b"%d" % len(body)))
    return (await Driver.http(app, "POST", target, headers=headers, body=body).run()).status


@pytest.mark.parametrize("target", ["/collected", "/streamed"])
async def test_s36_an_encoding_in_octets_that_are_no_text(target: str) -> None:
    assert await ask(target, b"form-data", b"Content-Transfer-Encoding", b"\xff") == 400


async def test_s36_a_coding_in_octets_that_are_no_text() -> None:
    assert await ask("/streamed", b"mixed", b"Content-Encoding", b"\xff") == 400


@settings(derandomize=True, max_examples=300, deadline=None)
@given(
    st.sampled_from(["/collected", "/streamed"]),
    st.sampled_from([b"form-data", b"mixed"]),
    st.sampled_from(FIELDS),
    st.lists(PIECES | st.binary(max_size=3)).map(b"".join),
)
async def test_s36_any_field_of_a_part_has_an_answer(target: str, subtype: bytes, field: bytes, value: bytes) -> None:
    assert await ask(target, subtype, field, value) < 500

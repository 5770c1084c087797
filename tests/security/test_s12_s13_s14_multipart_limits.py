"""S12, S13, S14: a multipart body is bounded in parts, depth, total size, header fields and boundary."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import pytest

from framework import web
from framework.multipart import BodyPartReader, MultipartReader
from tests.driver import Driver

HEAD = b'--b\r\nContent-Disposition: form-data; name="a"'
Look = Callable[[web.Request], Awaitable[Any]]


async def collect(request: web.Request) -> None:
    await request.post()


async def stream(request: web.Request) -> None:
    await (await request.multipart()).release()


def app_of(look: Look, limit: int = 2**20) -> web.Application:
    async def handler(request: web.Request) -> web.Response:
        await look(request)
        return web.Response(text="read")

    app = web.Application(client_max_size=limit)
    app.router.add_post("/", handler)
    return app


def request_to(
    app: web.Application, body: bytes | Iterable[bytes] | None, boundary: bytes = b"b", *headers: tuple[bytes, bytes]
) -> Driver:
    content_type = (b"content-type", b"multipart/form-data; boundary=" + boundary)
    framing = headers or ((b"transfer-encoding", b"chunked"),)
    return Driver.http(app, "POST", headers=[(b"host", b"example.com"), content_type, *framing], body=body)


# --- S12: parts and nesting -------------------------------------------------------------------------


async def test_s12_the_number_of_fields_is_bounded() -> None:
    part = HEAD + b"\r\n\r\n\r\n"
    assert (await request_to(app_of(collect), part * 1000 + b"--b--").run()).status == 200
    driver = await request_to(app_of(collect), part * 1001 + b"--b--").run()
    assert (driver.status, driver.body) == (413, b"Maximum number of form fields 1000 exceeded.")


async def test_s12_files_count_as_fields() -> None:
    part = HEAD + b'; filename="x"\r\n\r\n\r\n'
    assert (await request_to(app_of(collect), part * 1001 + b"--b--").run()).status == 413


async def test_s12_the_limit_is_met_before_the_rest_is_received() -> None:
    driver = request_to(app_of(collect), None)
    driver.feed_body((HEAD + b"\r\n\r\n\r\n") * 1001, more_body=True)
    assert (await driver.run()).status == 413


async def test_s12_the_depth_of_nesting_is_bounded() -> None:
    deepest: list[int] = []

    async def descend(request: web.Request) -> None:
        reader: Any = await request.multipart()
        depth = 0
        while isinstance(reader, MultipartReader):
            deepest[:] = [depth]
            depth += 1
            reader = await reader.next()

    body = b"x"
    for number in range(20, 0, -1):
        body = b"--b%02d\r\nContent-Type: multipart/mixed; boundary=b%02d\r\n\r\n%s\r\n--b%02d--" % (
            number,
            number + 1,
            body,
            number,
        )
    driver = await request_to(app_of(descend), body, b"b01").run()
    assert driver.status == 400
    assert driver.body == b"400: Bad Request: More than 8 multipart bodies are nested in each other"
    assert deepest == [8]


# --- S13: the total ---------------------------------------------------------------------------------

FILLERS = {
    "a field": HEAD + b"\r\n\r\n",
    "a file": HEAD + b'; filename="x"\r\n\r\n',
    "a preamble": b"",
    "an epilogue": b"--b--\r\n",
}


@pytest.mark.parametrize("begin", FILLERS.values(), ids=FILLERS)
async def test_s13_what_never_ends_meets_the_limit(begin: bytes) -> None:
    driver = request_to(app_of(collect, limit=100_000), None)
    driver.feed_body(begin, more_body=True)
    for _ in range(101):
        driver.feed_body(b"x" * 1000, more_body=True)
    assert (await driver.run()).status == 413
    assert driver.received <= 102


async def test_s13_fields_count_together() -> None:
    body = [HEAD + b"\r\n\r\n" + b"x" * 400 + b"\r\n"] * 3 + [b"--b--"]
    assert (await request_to(app_of(collect, limit=2000), body).run()).status == 200
    assert (await request_to(app_of(collect, limit=1300), body).run()).status == 413


async def test_s13_header_fields_count() -> None:
    body = [HEAD + b"\r\nX: " + b"x" * 400 + b"\r\n\r\n\r\n"] * 3 + [b"--b--"]
    assert (await request_to(app_of(collect, limit=1300), body).run()).status == 413


async def test_s13_a_part_that_is_collected_from_a_stream_is_bounded() -> None:
    async def read(request: web.Request) -> None:
        part = await (await request.multipart()).next()
        assert isinstance(part, BodyPartReader)
        await part.read()

    driver = request_to(app_of(read, limit=100_000), None)
    driver.feed_body(HEAD + b"\r\n\r\n", more_body=True)
    for _ in range(101):
        driver.feed_body(b"x" * 1000, more_body=True)
    assert (await driver.run()).status == 413


async def test_s13_a_stream_that_is_all_preamble_is_refused() -> None:
    driver = request_to(app_of(stream, limit=100_000), None)
    for _ in range(23):
        driver.feed_body(b"x" * 100_000, more_body=True)
    assert (await driver.run()).status == 400


async def test_s13_a_head_is_no_preamble() -> None:
    body = HEAD + b"\r\n\r\nx\r\n--b--"
    assert (await request_to(app_of(stream, limit=10), [bytes([octet]) for octet in body]).run()).status == 200


async def test_s13_a_stream_ends_at_the_last_boundary() -> None:
    driver = request_to(app_of(stream), None)
    driver.feed_body(HEAD + b"\r\n\r\nx\r\n--b--", more_body=True)
    assert (await driver.run()).status == 200


# --- S14: header fields, boundaries, lengths --------------------------------------------------------


@pytest.mark.parametrize("look", [collect, stream])
@pytest.mark.parametrize(
    "head",
    [
        HEAD + b"\r\nX: " + b"x" * 8190 + b"\r\n\r\n",
        HEAD + b"\r\nX: " + b"x" * 9000,
        HEAD + b"\r\nX: x" * 128 + b"\r\n\r\n",
        HEAD + b"\r\nX:" + b"\r\n x" * 5000 + b"\r\n\r\n",
    ],
)
async def test_s14_header_fields_are_bounded(look: Look, head: bytes) -> None:
    driver = request_to(app_of(look), None)
    driver.feed_body(head, more_body=True)
    assert (await driver.run()).status == 400
    assert b"8190 bytes a field, 128 fields" in driver.body


@pytest.mark.parametrize("look", [collect, stream])
@pytest.mark.parametrize("boundary", [b"", b'""', b"b" * 71, b'"a\\\rb"', b"b" * 100_000])
async def test_s14_boundaries_are_bounded(look: Look, boundary: bytes) -> None:
    driver = await request_to(app_of(look), b"--b--", boundary).run()
    assert driver.status == 400
    assert b"boundary" in driver.body


@pytest.mark.parametrize("look", [collect, stream])
@pytest.mark.parametrize("length", [b"-1", b"+5", b"1_0", b"0x5", b"5.0", b"\xb2", b""])
async def test_s14_a_content_length_that_is_no_number(look: Look, length: bytes) -> None:
    driver = await request_to(app_of(look), b"--b--", b"b", (b"content-length", length)).run()
    assert (driver.status, driver.body) == (400, b"400: Bad Request: invalid Content-Length")


@pytest.mark.parametrize("look", [collect, stream])
@pytest.mark.parametrize("length", [b"-1", b"+5", b"1_0", b" 5x"])
async def test_s14_a_content_length_of_a_part_that_is_no_number(look: Look, length: bytes) -> None:
    body = HEAD + b"\r\nContent-Length: " + length + b"\r\n\r\nx\r\n--b--"
    assert (await request_to(app_of(look), body).run()).status == 400


@pytest.mark.parametrize("look", [collect, stream])
async def test_s14_a_content_length_of_a_part_says_nothing(look: Look) -> None:
    body = HEAD + b"\r\nContent-Length: 9999999999\r\n\r\nx\r\n--b--"
    assert (await request_to(app_of(look), body).run()).status == 200

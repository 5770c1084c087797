"""`ResponseWriter`: what `prepare()` gives, used by itself."""

from __future__ import annotations

from typing import Any

import pytest

from framework.streams import ClientConnectionResetError
from framework.writers import ResponseWriter
from tests.driver import Driver


def writer_to(driver: Driver, *, length: int | None = None, empty: bool = False, gone: bool = False) -> ResponseWriter:
    return ResponseWriter(driver.send, length=length, empty=empty, is_disconnected=lambda: gone)


async def test_the_messages() -> None:
    driver = Driver.http(None)
    writer = writer_to(driver)
    await writer.start(200, [(b"x-a", b"1")])
    await writer.write(b"a")
    await writer.write_eof(b"b")
    assert driver.sent == [
        {"type": "http.response.start", "status": 200, "headers": [(b"x-a", b"1")]},
        {"type": "http.response.body", "body": b"a", "more_body": True},
        {"type": "http.response.body", "body": b"b", "more_body": False},
    ]
    assert writer.output_size == 2


@pytest.mark.parametrize("data", [b"abc", bytearray(b"abc"), memoryview(b"abc"), memoryview(b"aXbXcX")[::2]])
async def test_bytes_of_any_kind(data: Any) -> None:
    driver = Driver.http(None)
    writer = writer_to(driver)
    await writer.start(200, [])
    await writer.write(data)
    assert driver.body == b"abc"


async def test_the_end_is_sent_once() -> None:
    driver = Driver.http(None)
    writer = writer_to(driver)
    await writer.start(200, [])
    await writer.write_eof()
    await writer.write_eof(b"more")
    assert len(driver.sent) == 2


async def test_an_empty_piece_is_not_sent() -> None:
    driver = Driver.http(None)
    writer = writer_to(driver)
    await writer.start(200, [])
    await writer.write(b"")
    await writer.drain()
    assert len(driver.sent) == 1


async def test_a_response_without_a_body_sends_none() -> None:
    driver = Driver.http(None)
    writer = writer_to(driver, empty=True)
    await writer.start(204, [])
    await writer.write(b"a")
    await writer.write_eof(b"b")
    assert driver.body == b""
    assert writer.output_size == 0


async def test_no_more_than_the_declared_length() -> None:
    driver = Driver.http(None)
    writer = writer_to(driver, length=3)
    await writer.start(200, [])
    await writer.write(b"ab")
    await writer.write(b"cd")
    await writer.write(b"ef")
    await writer.write_eof(b"gh")
    assert driver.body == b"abc"


async def test_a_client_that_is_known_to_be_gone() -> None:
    driver = Driver.http(None)
    writer = writer_to(driver, gone=True)
    with pytest.raises(ClientConnectionResetError):
        await writer.write(b"a")
    assert driver.sent == []


@pytest.mark.parametrize("error", [OSError("gone"), ConnectionResetError("gone"), BrokenPipeError("gone")])
async def test_an_oserror_of_send(error: OSError) -> None:
    driver = Driver.http(None)
    driver.send_error = error
    writer = writer_to(driver)
    for call in (writer.start(200, []), writer.write(b"a"), writer.write_eof()):
        with pytest.raises(ClientConnectionResetError) as caught:
            await call
        assert caught.value.__cause__ is error


async def test_another_error_of_send_is_left_alone() -> None:
    driver = Driver.http(None)
    driver.send_error = LookupError("of the server")
    with pytest.raises(LookupError):
        await writer_to(driver).start(200, [])


async def test_a_file_that_the_server_sends() -> None:
    driver = Driver.http(None, extensions={"http.response.pathsend": {}, "http.response.zerocopysend": {}})
    by_path, by_descriptor = writer_to(driver), writer_to(driver)
    await by_path.start(200, [])
    await by_path.send_path("/srv/file", 9)
    await by_path.write_eof()
    assert driver.sent[1:] == [{"type": "http.response.pathsend", "path": "/srv/file"}]
    assert by_path.output_size == 9

    del driver.sent[:]
    await by_descriptor.start(200, [])
    await by_descriptor.send_file(3, 100, 5, more_body=True)
    await by_descriptor.send_file(3, 105, 4)
    await by_descriptor.write_eof()
    assert driver.sent[1:] == [
        {"type": "http.response.zerocopysend", "file": 3, "offset": 100, "count": 5, "more_body": True},
        {"type": "http.response.zerocopysend", "file": 3, "offset": 105, "count": 4, "more_body": False},
    ]
    assert by_descriptor.output_size == 9

"""WebSockets used wrongly: by the program, and by a client that breaks limits or the protocol."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest

from tests.contract import ws_backends
from tests.contract.backends import SocketBackend
from tests.contract.ws_backends import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    TEXT,
    RawClient,
    application,
    conversation,
    raw_conversation,
    serving,
)

ws_backend = ws_backends.ws_backend

CLOSED, ERROR = aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR


@contextlib.contextmanager
def raises(error: type[Exception], text: str) -> Iterator[None]:
    """An exception with exactly this text."""
    with pytest.raises(error) as caught:
        yield
    assert str(caught.value) == text


# --- Before prepare() -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("receive", ()),
        ("receive_str", ()),
        ("receive_bytes", ()),
        ("receive_json", ()),
        ("__anext__", ()),
        ("send_str", ("x",)),
        ("send_bytes", (b"x",)),
        ("send_json", ({},)),
        ("send_frame", (b"x", 1)),
        ("ping", ()),
        ("pong", ()),
        ("close", ()),
    ],
)
async def test_calls_before_prepare(ws_backend: SocketBackend, method: str, arguments: tuple[Any, ...]) -> None:
    ws = ws_backend.web.WebSocketResponse()
    with raises(RuntimeError, "Call .prepare() first"):
        await getattr(ws, method)(*arguments)


async def test_write_eof_before_prepare(ws_backend: SocketBackend) -> None:
    with raises(RuntimeError, "Response has not been started"):
        await ws_backend.web.WebSocketResponse().write_eof()


async def test_wrong_types_before_prepare(ws_backend: SocketBackend) -> None:
    ws = ws_backend.web.WebSocketResponse()
    with raises(RuntimeError, "Call .prepare() first"):
        await ws.send_str(b"bytes")
    with raises(RuntimeError, "Call .prepare() first"):
        await ws.send_bytes("text")


async def test_a_failed_call_before_prepare_does_no_harm(ws_backend: SocketBackend) -> None:
    async def handler(request: Any) -> Any:
        ws = ws_backend.web.WebSocketResponse()
        with pytest.raises(RuntimeError):
            await ws.receive()
        with pytest.raises(RuntimeError):
            await ws.close()
        await ws.prepare(request)
        await ws.send_str(await ws.receive_str())
        return ws

    async with serving(ws_backend, application(ws_backend, handler)) as http, http.ws_connect("/") as client:
        await client.send_str("fine")
        assert await client.receive_str() == "fine"


async def test_a_handler_that_returns_an_unprepared_socket(ws_backend: SocketBackend) -> None:
    async def handler(request: Any) -> Any:
        return ws_backend.web.WebSocketResponse()

    async with serving(ws_backend, application(ws_backend, handler)) as http, http.ws_connect("/") as client:
        assert await client.receive() == (CLOSE, 1000, "")


# --- What cannot be sent --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "value", "error"),
    [
        ("send_str", b"x", "data argument must be str (<class 'bytes'>)"),
        ("send_str", None, "data argument must be str (<class 'NoneType'>)"),
        ("send_str", 1, "data argument must be str (<class 'int'>)"),
        ("send_bytes", "x", "data argument must be byte-ish (<class 'str'>)"),
        ("send_bytes", None, "data argument must be byte-ish (<class 'NoneType'>)"),
        ("send_bytes", [1], "data argument must be byte-ish (<class 'list'>)"),
    ],
)
async def test_sending_the_wrong_type(ws_backend: SocketBackend, method: str, value: Any, error: str) -> None:
    async def talk(ws: Any) -> None:
        with raises(TypeError, error):
            await getattr(ws, method)(value)
        await ws.send_str("goes on")

    async with conversation(ws_backend, talk) as (client, _):
        assert await client.receive_str() == "goes on"


@pytest.mark.parametrize("value", [object(), {1, 2}, b"x", {"a": object()}], ids=["object", "set", "bytes", "nested"])
async def test_sending_what_is_no_json(ws_backend: SocketBackend, value: Any) -> None:
    async def talk(ws: Any) -> None:
        with pytest.raises(TypeError, match="is not JSON serializable"):
            await ws.send_json(value)
        await ws.send_str("goes on")

    async with conversation(ws_backend, talk) as (client, _):
        assert await client.receive_str() == "goes on"


async def test_an_encoder_that_gives_the_wrong_type(ws_backend: SocketBackend) -> None:
    async def talk(ws: Any) -> None:
        with raises(TypeError, "data argument must be str (<class 'bytes'>)"):
            await ws.send_json(1, dumps=lambda value: b"1")
        with raises(TypeError, "data argument must be byte-ish (<class 'str'>)"):
            await ws.send_json_bytes(1, dumps=lambda value: "1")
        await ws.send_str("goes on")

    async with conversation(ws_backend, talk) as (client, _):
        assert await client.receive_str() == "goes on"


async def test_a_lone_surrogate_cannot_be_sent(ws_backend: SocketBackend) -> None:
    async def talk(ws: Any) -> None:
        with pytest.raises(UnicodeEncodeError):
            await ws.send_str("\ud83e")
        await ws.send_str("goes on")

    async with conversation(ws_backend, talk) as (client, _):
        assert await client.receive_str() == "goes on"


async def test_a_socket_has_no_body(ws_backend: SocketBackend) -> None:
    async def talk(ws: Any) -> None:
        with raises(RuntimeError, "Cannot call .write() for websocket"):
            await ws.write(b"x")
        await ws.send_str("goes on")

    async with conversation(ws_backend, talk) as (client, _):
        assert await client.receive_str() == "goes on"


@pytest.mark.filterwarnings("ignore:WebSocketResponse. p[io]ng:RuntimeWarning")
@pytest.mark.parametrize("method", ["ping", "pong"])
@pytest.mark.parametrize("payload", [b"", b"payload"])
async def test_pings_and_pongs_do_not_hang(ws_backend: SocketBackend, method: str, payload: bytes) -> None:
    async def talk(ws: Any) -> None:
        assert await getattr(ws, method)(payload) is None
        await ws.send_str("goes on")

    async with conversation(ws_backend, talk) as (client, _):
        assert await client.receive_str() == "goes on"


@pytest.mark.filterwarnings("ignore:WebSocketResponse. heartbeat:RuntimeWarning")
async def test_a_socket_with_a_heartbeat(ws_backend: SocketBackend) -> None:
    async def talk(ws: Any) -> Any:
        return await ws.receive_str()

    async with conversation(ws_backend, talk, options={"heartbeat": 30.0}) as (client, served):
        await client.send_str("alive")
        assert await served == "alive"


async def test_options_that_are_the_servers(ws_backend: SocketBackend) -> None:
    async def talk(ws: Any) -> Any:
        return await ws.receive_str()

    options = {"timeout": 1.0, "autoping": True, "compress": False, "writer_limit": 1024}
    async with conversation(ws_backend, talk, options=options, compress=15) as (client, served):
        await client.send_str("x" * 10_000)
        assert await served == "x" * 10_000


# --- Closing in odd ways --------------------------------------------------------------------------


async def test_a_reason_as_text(ws_backend: SocketBackend) -> None:
    async def talk(ws: Any) -> bool:
        closed: bool = await ws.close(code=4000, message="grüße")
        return closed

    async with conversation(ws_backend, talk) as (client, served):
        assert await client.receive() == (CLOSE, 4000, "grüße")
        assert await served


# --- Receiving twice at once ----------------------------------------------------------------------


async def test_two_tasks_receive(ws_backend: SocketBackend) -> None:
    async def talk(ws: Any) -> Any:
        first = asyncio.ensure_future(ws.receive())
        await asyncio.sleep(0)
        with raises(RuntimeError, "Concurrent call to receive() is not allowed"):
            await ws.receive()
        await ws.send_str("refused")
        return (await first).data, await ws.receive_str()

    async with conversation(ws_backend, talk) as (client, served):
        assert await client.receive_str() == "refused"
        await client.send_str("one")
        await client.send_str("two")
        assert await served == ("one", "two")


async def test_two_tasks_receive_with_a_timeout(ws_backend: SocketBackend) -> None:
    timed_out = asyncio.Event()

    async def talk(ws: Any) -> Any:
        first = asyncio.ensure_future(ws.receive(timeout=0.01))
        await asyncio.sleep(0)
        with raises(RuntimeError, "Concurrent call to receive() is not allowed"):
            await ws.receive(timeout=1000)
        with pytest.raises(asyncio.TimeoutError):
            await first
        timed_out.set()
        return await ws.receive_str()

    async with conversation(ws_backend, talk) as (client, served):
        await timed_out.wait()
        await client.send_str("one")
        assert await served == "one"


# --- Messages that are too big --------------------------------------------------------------------


async def receive(ws: Any) -> Any:
    message = await ws.receive()
    return message, ws.closed, ws.close_code, ws.exception()


@pytest.mark.parametrize(
    ("data", "limit", "size"),
    [
        ("x" * 100, 100, 100),
        ("x" * 101, 100, 101),
        (b"x" * 100, 100, 100),
        (b"x" * 1000, 100, 1000),
        ("ü" * 50, 100, 100),
        ("🦀" * 25, 100, 100),
        ("x", 1, 1),
    ],
    ids=["exactly", "above", "bytes-exactly", "bytes-above", "two-byte-letters", "four-byte-letters", "one"],
)
async def test_a_message_that_is_too_big(ws_backend: SocketBackend, data: str | bytes, limit: int, size: int) -> None:
    async with conversation(ws_backend, receive, options={"max_msg_size": limit}, compress=0) as (client, served):
        await (client.send_str(data) if isinstance(data, str) else client.send_bytes(data))
        assert (await client.receive())[:2] == (CLOSE, 1009)
        message, closed, code, exception = await served
    assert (message.type, message.extra, closed) == (ERROR, None, True)
    assert message.data is exception
    assert type(exception).__name__ == "WebSocketError"
    assert (exception.code, str(exception)) == (1009, f"Message size {size} exceeds limit {limit}")
    # aiohttp has the code of a connection that broke.
    assert code == (1006 if ws_backend.name == "aiohttp" else 1009)


@pytest.mark.parametrize(
    ("data", "limit"),
    [("x" * 99, 100), (b"x" * 99, 100), ("ü" * 49, 100), ("", 1), ("x" * 5 * 2**20, 0), (bytes(5 * 2**20), 0)],
    ids=["below", "bytes-below", "two-byte-letters", "empty", "no-limit", "bytes-no-limit"],
)
async def test_a_message_within_the_limit(ws_backend: SocketBackend, data: str | bytes, limit: int) -> None:
    async with conversation(ws_backend, receive, options={"max_msg_size": limit}) as (client, served):
        await (client.send_str(data) if isinstance(data, str) else client.send_bytes(data))
        message, closed, _, exception = await served
    assert message.data == data
    assert (closed, exception) == (False, None)


async def end_of_sending(client: Any, data: bytes) -> int | None:
    """The code that a client finds at its end which sends this while the server may stop reading."""
    sending = asyncio.ensure_future(client.send_bytes(data))
    await client.receive()
    # The client has closed its connection: nothing is left to wait for.
    await asyncio.wait({sending})
    sending.exception()
    code: int | None = client.close_code
    return code


@pytest.mark.parametrize("size", [4 * 2**20, 4 * 2**20 + 1])
async def test_the_limit_by_default(ws_backend: SocketBackend, size: int) -> None:
    async with conversation(ws_backend, receive) as (client, served):
        # 1006 where the server did not read the message to its end: the reset of the connection overtakes its close.
        assert await end_of_sending(client, bytes(size)) in {1009, 1006}
        message, *_ = await served
    assert str(message.data) == f"Message size {size} exceeds limit {4 * 2**20}"


async def test_a_message_below_the_limit_by_default(ws_backend: SocketBackend) -> None:
    async with conversation(ws_backend, receive) as (client, served):
        await client.send_bytes(bytes(4 * 2**20 - 1))
        assert len((await served)[0].data) == 4 * 2**20 - 1


async def test_a_huge_message(ws_backend: SocketBackend) -> None:
    """Beyond what servers take by themselves, 16 MiB."""
    if ws_backend.name == "websockets":
        pytest.skip("uvicorn's old implementation neither reads on nor hangs up for ten seconds")
    async with conversation(ws_backend, receive, options={"max_msg_size": 2**20}) as (client, served):
        assert await end_of_sending(client, bytes(17 * 2**20)) in {1009, 1006}
        message, closed, _, _ = await served
    assert closed
    assert message.type in {ERROR, CLOSE, CLOSED}


async def test_fragments_that_are_too_big_together(ws_backend: SocketBackend) -> None:
    async with raw_conversation(ws_backend, receive, options={"max_msg_size": 1000}) as (client, served):
        for number in range(3):
            await client.send(CONTINUATION if number else BINARY, bytes(400), final=number == 2)
        assert await client.close_code() == 1009
        client.writer.close()
        message, closed, _, exception = await served
    assert (message.type, closed, exception.code) == (ERROR, True, 1009)


async def test_a_compressed_message_that_is_too_big(ws_backend: SocketBackend) -> None:
    async with conversation(ws_backend, receive, options={"max_msg_size": 10_000}, compress=15) as (client, served):
        await client.send_str("x" * 1_000_000)
        assert (await client.receive())[:2] == (CLOSE, 1009)
        message, closed, _, exception = await served
    assert (message.type, closed, exception.code) == (ERROR, True, 1009)


async def test_iteration_gives_the_error_and_ends(ws_backend: SocketBackend) -> None:
    async def talk(ws: Any) -> Any:
        return [message.type async for message in ws]

    async with conversation(ws_backend, talk, options={"max_msg_size": 10}) as (client, served):
        await client.send_str("short")
        await client.send_str("much too long")
        await client.receive()
        assert await served == [TEXT, ERROR]


async def test_sending_after_a_message_that_was_too_big(ws_backend: SocketBackend) -> None:
    async def talk(ws: Any) -> Any:
        await ws.receive()
        with pytest.raises(ConnectionResetError):
            await ws.send_str("x")
        return await ws.close(), (await ws.receive()).type

    async with conversation(ws_backend, talk, options={"max_msg_size": 10}) as (client, served):
        await client.send_str("much too long")
        await client.receive()
        assert await served == (False, CLOSED)


# --- Frames that break the protocol ---------------------------------------------------------------


def refusal(backend: SocketBackend, code: int) -> int | None:
    """The code of a close that a server is obliged to send; wsproto, which hypercorn uses too, leaves it to the server,
    and servers drop the connection."""
    return None if backend.name in {"wsproto", "hypercorn"} else code


async def end_code(client: RawClient) -> int | None:
    """The code that the server closes with, None without a close."""
    try:
        return await client.close_code()
    except (asyncio.IncompleteReadError, ConnectionResetError):
        return None
    finally:
        client.writer.close()


async def violation(backend: SocketBackend, *frames: tuple[int, bytes, bool, int]) -> tuple[int | None, Any]:
    """The code that a server closes with after these frames, None without a close; and what the handler received."""

    async def talk(ws: Any) -> Any:
        message = await ws.receive()
        return message.type, ws.closed

    async with raw_conversation(backend, talk) as (client, served):
        for opcode, payload, final, reserved in frames:
            await client.send(opcode, payload, final=final, reserved=reserved)
        return await end_code(client), await served


@pytest.mark.parametrize("text", [b"\xff", b"\xc3", b"\xed\xa0\x80", b"ok\xf8\x88\x80\x80\x80", b"\xc0\x80"])
async def test_text_that_is_no_utf_8(ws_backend: SocketBackend, text: bytes) -> None:
    code, (kind, closed) = await violation(ws_backend, (TEXT, text, True, 0))
    assert code == refusal(ws_backend, 1007)
    assert closed
    assert kind in {ERROR, CLOSE, CLOSED}


FRAMES: dict[str, list[tuple[int, bytes, bool, int]]] = {
    "a-reserved-bit": [(TEXT, b"x", True, 0b100)],
    "another-reserved-bit": [(TEXT, b"x", True, 0b010)],
    "a-reserved-opcode": [(0x3, b"x", True, 0)],
    "a-reserved-control-opcode": [(0xB, b"", True, 0)],
    "a-continuation-of-nothing": [(CONTINUATION, b"x", True, 0)],
    "text-within-a-message": [(TEXT, b"x", False, 0), (TEXT, b"y", True, 0)],
    "a-fragmented-ping": [(PING, b"x", False, 0)],
    "a-long-ping": [(PING, bytes(126), True, 0)],
    "a-close-of-one-byte": [(CLOSE, b"\x03", True, 0)],
    "a-close-with-a-code-of-nobody": [(CLOSE, (999).to_bytes(2, "big"), True, 0)],
    "a-close-with-a-code-that-is-never-sent": [(CLOSE, (1005).to_bytes(2, "big"), True, 0)],
}


@pytest.mark.parametrize("frames", FRAMES.values(), ids=FRAMES)
async def test_frames_that_are_wrong(ws_backend: SocketBackend, frames: list[tuple[int, bytes, bool, int]]) -> None:
    code, (kind, closed) = await violation(ws_backend, *frames)
    assert code == refusal(ws_backend, 1002)
    assert closed
    assert kind in {ERROR, CLOSE, CLOSED}


async def test_a_close_whose_reason_is_no_utf_8(ws_backend: SocketBackend) -> None:
    code, (kind, closed) = await violation(ws_backend, (CLOSE, (1000).to_bytes(2, "big") + b"\xff", True, 0))
    assert code in {refusal(ws_backend, 1002), refusal(ws_backend, 1007)}
    assert closed
    assert kind in {ERROR, CLOSE, CLOSED}


async def test_frames_without_a_mask(ws_backend: SocketBackend) -> None:
    """RFC 6455, section 5.1: a server must close. aiohttp takes them."""

    async def talk(ws: Any) -> Any:
        message = await ws.receive()
        return message.type

    async with raw_conversation(ws_backend, talk) as (client, served):
        client.writer.write(b"\x81\x01x")
        if ws_backend.name == "aiohttp":
            assert await served == TEXT
        else:
            assert await end_code(client) == refusal(ws_backend, 1002)
            assert await served in {CLOSE, CLOSED}

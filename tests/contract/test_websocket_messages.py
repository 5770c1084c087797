"""What travels over an open WebSocket: each kind of message in both directions, and how it is waited for."""

from __future__ import annotations

import asyncio
import contextlib
import json
import warnings
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest

from tests.contract import ws_backends
from tests.contract.backends import SocketBackend
from tests.contract.ws_backends import (
    BINARY,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    conversation,
    raw_conversation,
    talked,
)

ws_backend = ws_backends.ws_backend

MEBIBYTE = 2**20

TEXTS = {
    "ascii": "hello",
    "empty": "",
    "umlauts": "grüße",
    "beyond-the-bmp": "🦀 and 𐍈",
    "nul-and-controls": "a\x00b\r\n\x7f\x1b",
    "combining": "e\u0301",
    "bom": "\ufeffx",
    "125-bytes": "x" * 125,
    "126-bytes": "x" * 126,
    "65535-bytes": "x" * 65535,
    "65536-bytes": "x" * 65536,
    "a-mebibyte": "x" * MEBIBYTE,
    "a-mebibyte-of-umlauts": "ü" * (MEBIBYTE // 2),
}
BYTES = {
    "short": b"hello",
    "empty": b"",
    "every-octet": bytes(range(256)),
    "no-utf-8": b"\xff\xfe\xc0",
    "125-bytes": bytes(125),
    "126-bytes": bytes(126),
    "65535-bytes": bytes(65535),
    "65536-bytes": bytes(65536),
    "a-mebibyte": bytes(MEBIBYTE),
}


@contextlib.contextmanager
def ignored_warnings() -> Iterator[None]:
    """Without the warning that ASGI has no pings, which comes once in a process."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        yield


async def receive(ws: Any) -> Any:
    return await ws.receive()


async def echo(ws: Any) -> int:
    """Send everything back; the number of messages."""
    number = 0
    async for message in ws:
        number += 1
        if message.type == aiohttp.WSMsgType.TEXT:
            await ws.send_str(message.data)
        else:
            await ws.send_bytes(message.data)
    return number


# --- What the client sends ------------------------------------------------------------------------


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
async def test_text_is_received(ws_backend: SocketBackend, text: str) -> None:
    async with conversation(ws_backend, receive) as (client, served):
        await client.send_str(text)
        message = await served
    assert (message.type, message.extra) == (aiohttp.WSMsgType.TEXT, "")
    assert message.data == text
    assert type(message.data) is str


@pytest.mark.parametrize("data", BYTES.values(), ids=BYTES)
async def test_bytes_are_received(ws_backend: SocketBackend, data: bytes) -> None:
    async with conversation(ws_backend, receive) as (client, served):
        await client.send_bytes(data)
        message = await served
    assert message.type == aiohttp.WSMsgType.BINARY
    assert message.data == data


async def test_bytes_are_bytes(ws_backend: SocketBackend) -> None:
    async with conversation(ws_backend, receive) as (client, served):
        await client.send_bytes(b"x")
        message = await served
    assert type(message.data) is bytes
    assert message.extra == ""


async def test_a_message_is_a_tuple(ws_backend: SocketBackend) -> None:
    async with conversation(ws_backend, receive) as (client, served):
        await client.send_str("x")
        kind, data, extra = await served
    assert (kind, data, extra) == (1, "x", "")


async def test_json_of_a_message(ws_backend: SocketBackend) -> None:
    async def talk(ws: Any) -> Any:
        text, binary, spelled = await ws.receive(), await ws.receive(), await ws.receive()
        return text.json(), binary.json(), spelled.json(loads=str.upper)

    async with conversation(ws_backend, talk) as (client, served):
        await client.send_str('{"a": [1, null]}')
        await client.send_bytes(b'"bytes"')
        await client.send_str("loads")
        assert await served == ({"a": [1, None]}, "bytes", "LOADS")


async def test_text_as_bytes(ws_backend: SocketBackend) -> None:
    async def talk(ws: Any) -> Any:
        return await ws.receive(), await ws.receive_str(), await ws.receive_json()

    async with conversation(ws_backend, talk, options={"decode_text": False}) as (client, served):
        await client.send_str("grüße")
        await client.send_str("grüße")
        await client.send_str('{"a": 1}')
        message, text, value = await served
    assert (message.type, message.data) == (aiohttp.WSMsgType.TEXT, "grüße".encode())
    assert (text, value) == ("grüße".encode(), {"a": 1})


@pytest.mark.parametrize("bits", [9, 15])
async def test_a_client_that_compresses(ws_backend: SocketBackend, bits: int) -> None:
    text = "again and again " * 5000
    async with conversation(ws_backend, echo, compress=bits) as (client, _):
        for _ in range(3):
            await client.send_str(text)
            assert await client.receive_str() == text
        await client.send_bytes(b"")
        assert await client.receive_bytes() == b""


# --- receive_str(), receive_bytes(), receive_json() -----------------------------------------------


async def test_receive_of_each_kind(ws_backend: SocketBackend) -> None:
    async def talk(ws: Any) -> Any:
        return await ws.receive_str(), await ws.receive_bytes(), await ws.receive_json()

    async with conversation(ws_backend, talk) as (client, served):
        await client.send_str("text")
        await client.send_bytes(b"bytes")
        await client.send_json({"a": 1.5, "b": [True, None, "ü"]})
        assert await served == ("text", b"bytes", {"a": 1.5, "b": [True, None, "ü"]})


async def test_receive_json_with_a_decoder(ws_backend: SocketBackend) -> None:
    async def talk(ws: Any) -> Any:
        return await ws.receive_json(loads=lambda text: text.split("-"))

    async with conversation(ws_backend, talk) as (client, served):
        await client.send_str("a-b")
        assert await served == ["a", "b"]


@pytest.mark.parametrize(
    ("method", "sent", "error"),
    [
        ("receive_str", b"x", "Received message 2:b'x' is not WSMsgType.TEXT"),
        ("receive_bytes", "x", "Received message 1:'x' is not WSMsgType.BINARY"),
        ("receive_json", b"1", "Received message 2:b'1' is not WSMsgType.TEXT"),
    ],
)
async def test_receive_of_the_wrong_kind(ws_backend: SocketBackend, method: str, sent: str | bytes, error: str) -> None:
    async def talk(ws: Any) -> Any:
        with pytest.raises(TypeError) as caught:
            await getattr(ws, method)()
        return str(caught.value), type(caught.value).__name__, await ws.receive_str()

    async with conversation(ws_backend, talk) as (client, served):
        await (client.send_str(sent) if isinstance(sent, str) else client.send_bytes(sent))
        await client.send_str("goes on")
        assert await served == (error, "WSMessageTypeError", "goes on")


@pytest.mark.parametrize("text", ["", "{", "nope", "[1,]", "'a'"])
async def test_receive_json_of_what_is_none(ws_backend: SocketBackend, text: str) -> None:
    async def talk(ws: Any) -> Any:
        with pytest.raises(json.JSONDecodeError):
            await ws.receive_json()
        return await ws.receive_json()

    async with conversation(ws_backend, talk) as (client, served):
        await client.send_str(text)
        await client.send_str("[1]")
        assert await served == [1]


@pytest.mark.parametrize("method", ["receive_str", "receive_bytes", "receive_json"])
async def test_receive_of_a_kind_when_the_client_closes(ws_backend: SocketBackend, method: str) -> None:
    async def talk(ws: Any) -> Any:
        with pytest.raises(TypeError, match="is not WSMsgType"):
            await getattr(ws, method)()
        return ws.closed

    async with conversation(ws_backend, talk) as (client, served):
        await client.close()
        assert await served


# --- What the server sends ------------------------------------------------------------------------


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
async def test_text_is_sent(ws_backend: SocketBackend, text: str) -> None:
    async def talk(ws: Any) -> Any:
        return await ws.send_str(text)

    async with conversation(ws_backend, talk) as (client, served):
        assert await client.receive_str() == text
        assert await served is None


@pytest.mark.parametrize("data", BYTES.values(), ids=BYTES)
async def test_bytes_are_sent(ws_backend: SocketBackend, data: bytes) -> None:
    async def talk(ws: Any) -> Any:
        return await ws.send_bytes(data)

    async with conversation(ws_backend, talk) as (client, served):
        assert await client.receive_bytes() == data
        assert await served is None


@pytest.mark.parametrize("kind", [bytearray, memoryview])
async def test_other_kinds_of_bytes_are_sent(ws_backend: SocketBackend, kind: type[Any]) -> None:
    async def talk(ws: Any) -> None:
        await ws.send_bytes(kind(b"octets"))

    async with conversation(ws_backend, talk) as (client, _):
        assert await client.receive_bytes() == b"octets"


@pytest.mark.parametrize("value", [None, True, 0, 1.5, "ü\n", [], {}, {"a": [1, {"b": None}]}, {"1": "\ud83e\udd80"}])
async def test_json_is_sent(ws_backend: SocketBackend, value: Any) -> None:
    async def talk(ws: Any) -> None:
        await ws.send_json(value)

    async with conversation(ws_backend, talk) as (client, _):
        message = await client.receive()
    assert message.type == aiohttp.WSMsgType.TEXT
    assert json.loads(message.data) == json.loads(json.dumps(value))


async def test_json_is_sent_with_an_encoder(ws_backend: SocketBackend) -> None:
    async def talk(ws: Any) -> None:
        await ws.send_json({"b": 1, "a": 2}, dumps=lambda value: json.dumps(value, sort_keys=True, indent=1))

    async with conversation(ws_backend, talk) as (client, _):
        assert await client.receive_str() == '{\n "a": 2,\n "b": 1\n}'


async def test_json_bytes_are_sent(ws_backend: SocketBackend) -> None:
    async def talk(ws: Any) -> None:
        await ws.send_json_bytes({"a": 1}, dumps=lambda value: json.dumps(value).encode())

    async with conversation(ws_backend, talk) as (client, _):
        assert await client.receive_bytes() == b'{"a": 1}'


@pytest.mark.parametrize(("opcode", "received"), [(1, "grüße"), (2, "grüße".encode())])
async def test_send_frame(ws_backend: SocketBackend, opcode: int, received: str | bytes) -> None:
    async def talk(ws: Any) -> None:
        await ws.send_frame("grüße".encode(), ws_backend.web.WSMsgType(opcode))

    async with conversation(ws_backend, talk) as (client, _):
        message = await client.receive()
    assert (message.type, message.data) == (opcode, received)


@pytest.mark.parametrize("compress", [None, 0, 15])
async def test_compression_of_a_message_may_be_asked_for(ws_backend: SocketBackend, compress: int | None) -> None:
    async def talk(ws: Any) -> None:
        await ws.send_str("x" * 1000, compress=compress)
        await ws.send_bytes(b"y" * 1000, compress=compress)
        await ws.send_json(["z"], compress=compress)

    async with conversation(ws_backend, talk, compress=15) as (client, _):
        assert await client.receive_str() == "x" * 1000
        assert await client.receive_bytes() == b"y" * 1000
        assert await client.receive_json() == ["z"]


# --- Many messages --------------------------------------------------------------------------------


async def test_messages_keep_their_order(ws_backend: SocketBackend) -> None:
    async def talk(ws: Any) -> list[Any]:
        return [(await ws.receive()).data for _ in range(600)]

    async with conversation(ws_backend, talk) as (client, served):
        for number in range(300):
            await client.send_str(str(number))
            await client.send_bytes(b"%d" % number)
        received = await served
    assert received[::2] == [str(number) for number in range(300)]
    assert received[1::2] == [b"%d" % number for number in range(300)]


async def test_sent_messages_keep_their_order(ws_backend: SocketBackend) -> None:
    async def talk(ws: Any) -> None:
        for number in range(500):
            await ws.send_str(str(number))

    async with conversation(ws_backend, talk) as (client, _):
        assert [await client.receive_str() for _ in range(500)] == [str(number) for number in range(500)]


async def test_an_echo(ws_backend: SocketBackend) -> None:
    async with conversation(ws_backend, echo) as (client, served):
        for number in range(50):
            await client.send_str(str(number))
            assert await client.receive_str() == str(number)
        await client.close()
        assert await served == 50


async def test_both_directions_at_once(ws_backend: SocketBackend) -> None:
    block = "x" * 10_000

    async def talk(ws: Any) -> int:
        async def send() -> None:
            for _ in range(100):
                await ws.send_str(block)

        sending = asyncio.ensure_future(send())
        received = 0
        for _ in range(100):
            received += len(await ws.receive_str())
        await sending
        return received

    async with conversation(ws_backend, talk) as (client, served):

        async def send() -> None:
            for _ in range(100):
                await client.send_str(block)

        sending = asyncio.ensure_future(send())
        assert sum([len(await client.receive_str()) for _ in range(100)]) == 1_000_000
        await sending
        assert await served == 1_000_000


async def test_many_tasks_send_at_once(ws_backend: SocketBackend) -> None:
    async def talk(ws: Any) -> None:
        await asyncio.gather(*(ws.send_str(f"{number}:" + "x" * 5000) for number in range(50)))

    async with conversation(ws_backend, talk) as (client, _):
        received = [(await client.receive_str()).partition(":") for _ in range(50)]
    assert sorted(int(number) for number, _, _ in received) == list(range(50))
    assert {len(rest) for _, _, rest in received} == {5000}


async def test_one_socket_sends_to_the_others(ws_backend: SocketBackend) -> None:
    web = ws_backend.web
    sockets: set[Any] = set()

    async def handler(request: Any) -> Any:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        sockets.add(ws)
        await ws.send_str("joined")
        try:
            async for message in ws:
                for other in sockets:
                    await other.send_str(message.data)
        finally:
            sockets.discard(ws)
        return ws

    app = ws_backends.application(ws_backend, handler)
    async with ws_backends.serving(ws_backend, app) as http:
        clients = [await http.ws_connect("/") for _ in range(5)]
        for client in clients:
            assert await client.receive_str() == "joined"
        await clients[0].send_str("hello all")
        assert [await client.receive_str() for client in clients] == ["hello all"] * 5
        for client in clients:
            await client.close()


# --- Iterating ------------------------------------------------------------------------------------


async def test_iteration_ends_with_the_clients_close(ws_backend: SocketBackend) -> None:
    async def talk(ws: Any) -> Any:
        return [(message.type, message.data) async for message in ws], ws.closed

    async with conversation(ws_backend, talk) as (client, served):
        await client.send_str("one")
        await client.send_bytes(b"two")
        await client.close()
        assert await served == ([(1, "one"), (2, b"two")], True)


async def test_iteration_can_be_left_and_resumed(ws_backend: SocketBackend) -> None:
    async def talk(ws: Any) -> Any:
        async for message in ws:
            if message.data == "enough":
                break
        return [message.data async for message in ws]

    async with conversation(ws_backend, talk) as (client, served):
        for text in ("one", "enough", "three", "four"):
            await client.send_str(text)
        await client.close()
        assert await served == ["three", "four"]


async def test_iteration_ends_when_the_server_has_closed(ws_backend: SocketBackend) -> None:
    async def talk(ws: Any) -> Any:
        received = []
        async for message in ws:
            received.append(message.data)
            await ws.close()
        return received

    async with conversation(ws_backend, talk) as (client, served):
        await client.send_str("only")
        assert (await client.receive()).type == aiohttp.WSMsgType.CLOSE
        assert await served == ["only"]


async def test_iterating_over_a_socket_gives_the_socket(ws_backend: SocketBackend) -> None:
    async def talk(ws: Any) -> bool:
        return aiter(ws) is ws

    assert await talked(ws_backend, talk)


# --- Timeouts -------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["receive", "receive_str", "receive_bytes", "receive_json"])
async def test_a_timeout_of_one_call(ws_backend: SocketBackend, method: str) -> None:
    async def talk(ws: Any) -> Any:
        with pytest.raises(asyncio.TimeoutError):
            await getattr(ws, method)(timeout=0.01)
        return ws.closed, ws.close_code, ws.exception()

    assert await talked(ws_backend, talk) == (False, None, None)


async def test_receive_timeout_of_the_socket(ws_backend: SocketBackend) -> None:
    async def talk(ws: Any) -> Any:
        with pytest.raises(asyncio.TimeoutError):
            await ws.receive()
        with pytest.raises(asyncio.TimeoutError):
            async for _ in ws:
                raise NotImplementedError
        return ws.closed

    assert await talked(ws_backend, talk, options={"receive_timeout": 0.01}) is False


async def test_the_calls_timeout_goes_before_the_sockets(ws_backend: SocketBackend) -> None:
    async def talk(ws: Any) -> Any:
        with pytest.raises(asyncio.TimeoutError):
            await ws.receive(timeout=0.01)
        return True

    assert await talked(ws_backend, talk, options={"receive_timeout": 1000.0})


async def test_a_timeout_loses_no_message(ws_backend: SocketBackend) -> None:
    asked = asyncio.Event()

    async def talk(ws: Any) -> Any:
        for _ in range(3):
            with pytest.raises(asyncio.TimeoutError):
                await ws.receive(timeout=0.001)
        asked.set()
        return [await ws.receive_str(timeout=10), await ws.receive_str(), await ws.receive_str(timeout=10)]

    async with conversation(ws_backend, talk) as (client, served):
        await asked.wait()
        for text in ("late", "later", "latest"):
            await client.send_str(text)
        assert await served == ["late", "later", "latest"]


async def test_sending_while_messages_time_out(ws_backend: SocketBackend) -> None:
    async def talk(ws: Any) -> Any:
        for number in range(5):
            with pytest.raises(asyncio.TimeoutError):
                await ws.receive(timeout=0.001)
            await ws.send_str(str(number))
        return await ws.receive_str()

    async with conversation(ws_backend, talk) as (client, served):
        assert [await client.receive_str() for _ in range(5)] == list("01234")
        await client.send_str("heard")
        assert await served == "heard"


async def test_a_cancelled_receive_loses_no_message(ws_backend: SocketBackend) -> None:
    cancelled = asyncio.Event()

    async def talk(ws: Any) -> Any:
        receiving = asyncio.ensure_future(ws.receive())
        await asyncio.sleep(0.01)
        receiving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await receiving
        cancelled.set()
        return await ws.receive_str()

    async with conversation(ws_backend, talk) as (client, served):
        await cancelled.wait()
        await client.send_str("kept")
        assert await served == "kept"


async def test_messages_wait_while_the_handler_is_busy(ws_backend: SocketBackend) -> None:
    sent = asyncio.Event()

    async def talk(ws: Any) -> Any:
        await sent.wait()
        await asyncio.sleep(0.01)
        return [await ws.receive_str() for _ in range(100)]

    async with conversation(ws_backend, talk) as (client, served):
        for number in range(100):
            await client.send_str(str(number))
        sent.set()
        assert await served == [str(number) for number in range(100)]


# --- Pings ----------------------------------------------------------------------------------------


async def test_a_clients_ping_is_answered(ws_backend: SocketBackend) -> None:
    async with conversation(ws_backend, receive, autoping=False) as (client, _):
        await client.ping(b"are you there?")
        message = await client.receive()
        assert (message.type, message.data) == (aiohttp.WSMsgType.PONG, b"are you there?")


async def test_the_handler_does_not_see_pings_and_pongs(ws_backend: SocketBackend) -> None:
    async with conversation(ws_backend, receive, autoping=False) as (client, served):
        await client.ping()
        await client.pong(b"unasked")
        await client.send_str("text")
        assert (await served).data == "text"


async def test_a_ping_of_the_program(ws_backend: SocketBackend) -> None:
    async def talk(ws: Any) -> None:
        with ignored_warnings():
            await ws.ping(b"there?")
            await ws.pong(b"here!")
        await ws.send_str("after")

    async with raw_conversation(ws_backend, talk) as (client, _):
        if ws_backend.name == "aiohttp":
            assert await client.receive() == (PING, b"there?")
            assert await client.receive() == (PONG, b"here!")
        # ASGI has no pings: the call does nothing.
        assert await client.receive() == (TEXT, b"after")


async def test_a_program_that_answers_pings_itself(ws_backend: SocketBackend) -> None:
    options = {"autoping": False}
    async with conversation(ws_backend, receive, options=options, autoping=False) as (client, served):
        await client.ping(b"there?")
        if ws_backend.name == "aiohttp":
            assert await served == (aiohttp.WSMsgType.PING, b"there?", "")
        else:
            # The server answers, and the program does not hear of it.
            assert (await client.receive()).type == aiohttp.WSMsgType.PONG


async def test_a_heartbeat_pings_the_client(ws_backend: SocketBackend) -> None:
    async def talk(ws: Any) -> Any:
        return await ws.receive_str()

    with ignored_warnings():
        async with raw_conversation(ws_backend, talk, options={"heartbeat": 0.5}) as (client, served):
            if ws_backend.name == "aiohttp":
                assert await client.receive() == (PING, b"")
                await client.send(PONG, b"")
            # Under ASGI it is the server's option: uvicorn's --ws-ping-interval, hypercorn's websocket_ping_interval.
            await client.send(TEXT, b"alive")
            assert await served == "alive"


@pytest.mark.parametrize("bits", [0, 15])
async def test_what_is_known_of_the_compression(ws_backend: SocketBackend, bits: int) -> None:
    async def talk(ws: Any) -> Any:
        return ws.compress

    # Only the server knows it under ASGI.
    assert await talked(ws_backend, talk, compress=bits) == (bits if ws_backend.name == "aiohttp" else 0)


# --- Fragments ------------------------------------------------------------------------------------


async def test_fragments_arrive_as_one_message(ws_backend: SocketBackend) -> None:
    async with raw_conversation(ws_backend, receive) as (client, served):
        for number, piece in enumerate((b"gr\xc3", b"", b"\xbc\xc3\x9f", b"e")):
            await client.send(CONTINUATION if number else TEXT, piece, final=number == 3)
        message = await served
    assert (message.type, message.data) == (aiohttp.WSMsgType.TEXT, "grüße")


async def test_a_ping_between_two_fragments(ws_backend: SocketBackend) -> None:
    async with raw_conversation(ws_backend, receive) as (client, served):
        await client.send(BINARY, b"before ", final=False)
        await client.send(PING, b"between")
        assert await client.receive() == (PONG, b"between")
        await client.send(CONTINUATION, b"after")
        assert (await served).data == b"before after"

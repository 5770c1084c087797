"""`StreamReader`: every way to read a body, whatever pieces it comes in."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from framework.streams import ClientConnectionResetError, StreamReader
from tests.driver import Driver


def stream_of(*pieces: bytes, eof: bool = True, limit: int = 2**16) -> StreamReader:
    """A stream fed by hand."""
    stream = StreamReader(limit=limit)
    for piece in pieces:
        stream.feed_data(piece)
    if eof:
        stream.feed_eof()
    return stream


def pulling(*pieces: bytes, more: bool = False) -> tuple[StreamReader, Driver]:
    """A stream that pulls from a driver."""
    driver = Driver.http(None, body=None)
    for piece in pieces[:-1]:
        driver.feed_body(piece, more_body=True)
    if pieces:
        driver.feed_body(pieces[-1], more_body=more)
    return StreamReader(driver.receive), driver


async def test_read_gives_everything() -> None:
    stream, _ = pulling(b"a", b"", b"bc")
    assert await stream.read() == b"abc"
    assert await stream.read() == b""
    assert stream.at_eof()


async def test_read_some() -> None:
    stream, _ = pulling(b"abc", b"de")
    assert [await stream.read(2) for _ in range(5)] == [b"ab", b"c", b"de", b"", b""]


async def test_read_nothing_waits_for_nothing() -> None:
    stream, driver = pulling()
    assert await stream.read(0) == b""
    assert driver.received == 0


async def test_readany_gives_what_there_is() -> None:
    stream = stream_of(b"a", b"b", eof=False)
    assert await stream.readany() == b"ab"
    stream.feed_data(b"c")
    stream.feed_eof()
    assert await stream.readany() == b"c"
    assert await stream.readany() == b""


async def test_readany_skips_empty_messages() -> None:
    stream, _ = pulling(b"", b"", b"a")
    assert await stream.readany() == b"a"


async def test_readchunk_gives_the_messages() -> None:
    stream, _ = pulling(b"abc", b"de")
    assert await stream.read(1) == b"a"
    assert await stream.readchunk() == (b"bc", True)
    assert await stream.readchunk() == (b"de", True)
    assert await stream.readchunk() == (b"", False)


async def test_readexactly() -> None:
    stream, _ = pulling(b"abc", b"de")
    assert await stream.readexactly(4) == b"abcd"
    with pytest.raises(asyncio.IncompleteReadError) as caught:
        await stream.readexactly(4)
    assert (caught.value.partial, caught.value.expected) == (b"e", 4)


async def test_readline() -> None:
    stream, _ = pulling(b"one\ntw", b"o\n", b"\nrest")
    assert [await stream.readline() for _ in range(5)] == [b"one\n", b"two\n", b"\n", b"rest", b""]


async def test_a_line_beyond_the_limit() -> None:
    stream = stream_of(b"x" * 11, limit=10)
    with pytest.raises(ValueError, match="too big"):
        await stream.readline()


async def test_the_limit_of_a_line_can_be_given() -> None:
    stream = stream_of(b"x" * 11 + b"\n", limit=5)
    assert await stream.readline(max_line_length=12) == b"x" * 11 + b"\n"


@pytest.mark.parametrize("pieces", [(b"a--b",), (b"a-", b"-b"), (b"a", b"-", b"-", b"b"), (b"a-", b"", b"-b")])
async def test_readuntil_across_pieces(pieces: tuple[bytes, ...]) -> None:
    stream, _ = pulling(*pieces)
    assert await stream.readuntil(b"--") == b"a--"
    assert await stream.readuntil(b"--") == b"b"


async def test_readuntil_needs_a_separator() -> None:
    with pytest.raises(ValueError, match="at least one-byte"):
        await stream_of(b"a").readuntil(b"")


@settings(derandomize=True, max_examples=300, deadline=None)
@given(
    data=st.text("ab\n", max_size=30).map(str.encode),
    cuts=st.lists(st.integers(0, 30), max_size=8),
    separator=st.text("ab\n", min_size=1, max_size=4).map(str.encode),
)
def test_readuntil_does_not_depend_on_the_pieces(data: bytes, cuts: list[int], separator: bytes) -> None:
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    pieces = [data[start:end] for start, end in pairwise(edges)]

    async def split() -> list[bytes]:
        stream, _ = pulling(*pieces)
        lines = []
        while line := await stream.readuntil(separator):
            lines.append(line)
        return lines

    parts = data.split(separator)
    expected = [part + separator for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])
    assert asyncio.run(split()) == expected


@settings(derandomize=True, max_examples=300, deadline=None)
@given(
    pieces=st.lists(st.binary(max_size=6), max_size=8),
    calls=st.lists(st.sampled_from(["read1", "read3", "readany", "readchunk", "readline", "unread"]), max_size=20),
)
def test_every_byte_is_read_once_and_in_order(pieces: list[bytes], calls: list[str]) -> None:
    async def read_all() -> bytes:
        stream, _ = pulling(*pieces, b"")
        got = b""
        for call in calls:
            if call == "unread":
                if not got:
                    continue
                with pytest.warns(DeprecationWarning, match="unread_data"):
                    stream.unread_data(got[-2:])
                got = got[:-2]
            elif call.startswith("read") and call[4:].isdigit():
                got += await stream.read(int(call[4:]))
            elif call == "readchunk":
                got += (await stream.readchunk())[0]
            else:
                got += await getattr(stream, call)()
        assert stream.total_bytes <= len(b"".join(pieces))
        return got + await stream.read()

    assert asyncio.run(read_all()) == b"".join(pieces)


async def test_iteration() -> None:
    assert [line async for line in stream_of(b"a\nb", b"c\n")] == [b"a\n", b"bc\n"]
    assert [piece async for piece in pulling(b"ab", b"c")[0].iter_any()] == [b"ab", b"c"]
    assert [piece async for piece in stream_of(b"abc", b"d").iter_chunked(3)] == [b"abc", b"d"]
    assert [piece async for piece in stream_of(b"ab", b"c").iter_chunks()] == [(b"ab", True), (b"c", True)]


async def test_read_nowait() -> None:
    stream = stream_of(b"abc", eof=False)
    assert stream.read_nowait(2) == b"ab"
    assert stream.read_nowait() == b"c"
    assert stream.read_nowait() == b""


async def test_unread_data() -> None:
    stream = stream_of(b"bcd")
    assert await stream.read(1) == b"b"
    with pytest.warns(DeprecationWarning, match="unread_data"):
        stream.unread_data(b"ab")
    assert await stream.read() == b"abcd"


async def test_wait_eof_keeps_the_data() -> None:
    stream, driver = pulling(b"ab", b"c")
    await stream.wait_eof()
    assert driver.received == 2
    assert stream.is_eof()
    assert not stream.at_eof()
    assert await stream.read() == b"abc"


async def test_on_eof() -> None:
    called = []
    stream = stream_of(b"a", eof=False)
    stream.on_eof(lambda: called.append("first"))
    assert called == []
    stream.feed_eof()
    stream.on_eof(lambda: called.append("at once"))
    assert called == ["first", "at once"]


async def test_total_bytes_counts_what_arrived() -> None:
    stream, _ = pulling(b"abc", b"de")
    await stream.read(1)
    assert stream.total_bytes == 3
    await stream.read()
    assert stream.total_bytes == 5


async def test_an_exception_is_raised_from_every_read() -> None:
    stream = stream_of(b"a", eof=False)
    stream.set_exception(ValueError("broken"), KeyError("cause"))
    assert isinstance(stream.exception(), ValueError)
    for read in (stream.read, stream.readany, stream.readline, stream.readchunk):
        with pytest.raises(ValueError, match="broken") as caught:
            await read()
        assert isinstance(caught.value.__cause__, KeyError)
    with pytest.raises(ValueError, match="broken"):
        stream.read_nowait()


async def test_an_exception_wakes_the_reader() -> None:
    stream = stream_of(eof=False)
    reading = asyncio.ensure_future(stream.read())
    await asyncio.sleep(0)
    stream.set_exception(ValueError("broken"))
    with pytest.raises(ValueError, match="broken"):
        await reading


async def test_a_stream_that_is_fed_wakes_its_reader() -> None:
    stream = stream_of(eof=False)
    reading = asyncio.ensure_future(stream.readexactly(4))
    for piece in (b"a", b"bc", b"d"):
        await asyncio.sleep(0)
        stream.feed_data(piece)
    assert await reading == b"abcd"


async def test_two_tasks_cannot_read() -> None:
    stream, driver = pulling()
    first = asyncio.ensure_future(stream.read())
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="Another task is reading"):
        await stream.read()
    driver.feed_body(b"body")
    assert await first == b"body"


async def test_a_cancelled_read_loses_nothing() -> None:
    stream, driver = pulling()
    first = asyncio.ensure_future(stream.read())
    await asyncio.sleep(0)
    driver.feed_body(b"bo", more_body=True)
    for _ in range(3):
        await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    driver.feed_body(b"dy")
    assert await stream.read() == b"body"


READS: dict[str, Callable[[StreamReader], Any]] = {
    "read": lambda stream: stream.read(),
    "read some": lambda stream: stream.read(1),
    "readany": lambda stream: stream.readany(),
    "readchunk": lambda stream: stream.readchunk(),
    "readexactly": lambda stream: stream.readexactly(3),
    "readline": lambda stream: stream.readline(),
    "wait_eof": lambda stream: stream.wait_eof(),
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
async def test_every_read_raises_when_the_client_left(read: Callable[[StreamReader], Any]) -> None:
    stream, driver = pulling()
    driver.disconnect()
    with pytest.raises(ClientConnectionResetError):
        await read(stream)
    with pytest.raises(ConnectionResetError):
        await read(stream)
    assert stream.disconnected


async def test_a_disconnect_after_the_body_spoils_nothing() -> None:
    stream, driver = pulling(b"body")
    driver.disconnect()
    await stream.wait_eof()
    assert await stream.poll_disconnect()
    assert await stream.read() == b"body"


async def test_what_the_server_raises_is_raised_to_the_reader() -> None:
    async def receive() -> dict[str, Any]:
        raise LookupError("of the server")

    with pytest.raises(LookupError):
        await StreamReader(receive).read()


async def test_a_failing_receive_while_watching_is_raised_to_the_reader() -> None:
    async def receive() -> dict[str, Any]:
        raise LookupError("of the server")

    stream = StreamReader(receive)
    assert not await stream.poll_disconnect()
    with pytest.raises(LookupError):
        await stream.read()


async def test_reading_while_watching() -> None:
    stream, driver = pulling()
    stream.watch_disconnect()
    await asyncio.sleep(0)
    reading = asyncio.ensure_future(stream.read())
    await asyncio.sleep(0)
    driver.feed_body(b"bo", more_body=True)
    driver.feed_body(b"dy")
    assert await reading == b"body"
    stream.stop_watching()


async def test_a_disconnect_while_reading_and_watching() -> None:
    stream, driver = pulling()
    stream.watch_disconnect()
    await asyncio.sleep(0)
    reading = asyncio.ensure_future(stream.read())
    await asyncio.sleep(0)
    driver.disconnect()
    with pytest.raises(ClientConnectionResetError):
        await reading


def test_repr_tells_the_state() -> None:
    stream = stream_of(b"abc")
    stream.set_exception(ValueError("broken"))
    assert repr(stream) == "<StreamReader 3 bytes eof e=ValueError('broken')>"


def calls_of(function: Callable[[], Any]) -> int:
    """How many calls, of Python and of C functions, a function makes: its work without a clock."""
    count = 0

    def profile(frame: Any, event: str, arg: Any) -> None:
        nonlocal count
        if event in ("call", "c_call"):
            count += 1

    sys.setprofile(profile)
    try:
        function()
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize(
    "read",
    [
        lambda stream: stream.read(),
        lambda stream: stream.readexactly(5_000),
        lambda stream: stream.readline(),
        lambda stream: stream.readuntil(b"--"),
        lambda stream: stream.wait_eof(),
    ],
)
def test_s24_tiny_pieces_cost_linear_time(read: Callable[[StreamReader], Any]) -> None:
    def work(pieces: int) -> int:
        async def run() -> None:
            stream, _ = pulling(*[b"x"] * pieces)
            await read(stream)

        return calls_of(lambda: asyncio.run(run()))

    assert work(20_000) < 4.2 * work(5_000)

"""Server-sent events: what is sent, and how a stream ends."""

from __future__ import annotations

import asyncio
import gc
import math
import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framework import web
from framework.streams import ClientConnectionResetError
from framework.test_utils import make_mocked_request
from tests.contract.backends import UvicornBackend
from tests.driver import Driver

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def driver_for(handler: Handler, method: str = "GET", **options: Any) -> Driver:
    app = web.Application()
    app.router.add_route("*", "/", handler)
    return Driver.http(app, method, **options)


async def sent_by(*args: Any, sep: str | None = None, **kwargs: Any) -> bytes:
    """What `send` writes."""

    async def handler(request: web.Request) -> web.StreamResponse:
        async with web.sse_response(request, sep=sep) as response:
            await response.send(*args, **kwargs)
        return response

    return (await driver_for(handler).run()).body


async def forever() -> None:
    await asyncio.get_running_loop().create_future()


# What is sent


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"data": "hello"}, b"data: hello\r\n\r\n"),
        ({"data": ""}, b"data: \r\n\r\n"),
        ({"data": " two  spaces "}, b"data:  two  spaces \r\n\r\n"),
        ({"data": "a\nb\r\nc\rd\n\re"}, b"data: a\r\ndata: b\r\ndata: c\r\ndata: d\r\ndata: \r\ndata: e\r\n\r\n"),
        ({"data": "a\n"}, b"data: a\r\ndata: \r\n\r\n"),
        # These end a line to Python, and none to a browser.
        ({"data": "a\x0bb\x0cc\x85d\u2028e"}, "data: a\x0bb\x0cc\x85d\u2028e\r\n\r\n".encode()),
        ({"data": "x", "id": "1", "event": "tick", "retry": 5}, b"id: 1\r\nevent: tick\r\ndata: x\r\nretry: 5\r\n\r\n"),
        ({"data": "x", "id": "", "event": "", "retry": 0}, b"id: \r\nevent: \r\ndata: x\r\nretry: 0\r\n\r\n"),
        ({"data": "é", "id": "ü"}, "id: ü\r\ndata: é\r\n\r\n".encode()),
        ({"data": "a\nb", "id": "1", "sep": "\n"}, b"id: 1\ndata: a\ndata: b\n\n"),
        ({"data": "a\nb", "sep": "\r"}, b"data: a\rdata: b\r\r"),
    ],
)
async def test_an_event(arguments: dict[str, Any], expected: bytes) -> None:
    assert await sent_by(**arguments) == expected


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        *(({field: value}, ValueError) for field in ("id", "event") for value in ("a\nb", "a\rb", "a\r\nb", "a\0b")),
        ({"retry": -1}, ValueError),
        ({"retry": "5\n\ndata: x"}, TypeError),
        ({"retry": 1.5}, TypeError),
        ({"retry": True}, TypeError),
        ({"id": 5}, TypeError),
        ({"data": b"bytes"}, TypeError),
    ],
)
async def test_what_is_no_event(arguments: dict[str, Any], error: type[Exception]) -> None:
    response = web.EventSourceResponse()
    with pytest.raises(error):
        await response.send(**{"data": "x", **arguments})


def parsed(stream: str) -> list[tuple[str, str, str]]:
    """The events of a stream as a browser has them: type, data and last id (HTML standard, section 9.2.6)."""
    events = []
    name = data = last_id = ""
    for line in re.split("\r\n|\r|\n", stream):
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if line == "":
            if data:
                events.append((name or "message", data.removesuffix("\n"), last_id))
            name = data = ""
        elif field == "event":
            name = value
        elif field == "data":
            data += value + "\n"
        elif field == "id" and "\0" not in value:
            last_id = value
    return events


TEXT = st.text(st.characters(codec="utf-8")) | st.text(" :\r\n\0\ufeffdataide0", max_size=20)
LINE = TEXT.map(lambda text: re.sub("[\r\n\0]", "", text))


@given(TEXT, LINE, LINE, st.sampled_from(["\r\n", "\n", "\r"]))
def test_a_browser_reads_what_was_sent(data: str, id: str, event: str, sep: str) -> None:
    sent = asyncio.run(sent_by(data, id=id, event=event, sep=sep)).decode()
    assert parsed(sent) == [(event or "message", re.sub("\r\n|\r", "\n", data), id)]


async def test_json() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        async with web.sse_response(request) as response:
            await response.send_json({"a": "one\ntwo"}, id="1", event="e", retry=2)
            await response.send_json([1], dumps=lambda data: f"\n{data}")
        return response

    driver = await driver_for(handler).run()
    assert driver.body == (
        b'id: 1\r\nevent: e\r\ndata: {"a":"one\\ntwo"}\r\nretry: 2\r\n\r\ndata: \r\ndata: [1]\r\n\r\n'
    )


async def test_the_headers() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        return await web.sse_response(request, status=203, headers={"X-More": "1", "Content-Type": "text/plain"})

    driver = await driver_for(handler).run()
    assert driver.status == 203
    assert driver.headers == {
        b"content-type": b"text/event-stream",
        b"cache-control": b"no-cache",
        b"x-accel-buffering": b"no",
        b"x-more": b"1",
    }


async def test_headers_of_the_programs_choice() -> None:
    response = web.EventSourceResponse(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "yes"})
    assert (response.headers["Cache-Control"], response.headers["X-Accel-Buffering"]) == ("no-store", "yes")


@pytest.mark.parametrize("last", [None, "7", "ü"])
async def test_the_last_event_id(last: str | None) -> None:
    seen: list[str | None] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        async with web.sse_response(request) as response:
            seen.append(response.last_event_id)
        return response

    headers = [] if last is None else [(b"last-event-id", last.encode())]
    await driver_for(handler, headers=headers).run()
    assert seen == [last]


@pytest.mark.parametrize("method", ["POST", "HEAD"])
async def test_other_methods(method: str) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        async with web.sse_response(request, allow_all_methods="all" in request.query) as response:
            await response.send("x")
        return response

    refused = await driver_for(handler, method).run()
    allowed = await driver_for(handler, method, target="/?all").run()
    assert (refused.status, refused.headers[b"allow"]) == (405, b"GET")
    assert (allowed.status, allowed.body) == (200, b"" if method == "HEAD" else b"data: x\r\n\r\n")


async def test_204_has_no_events() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        async with web.sse_response(request, status=204) as response:
            await response.send("x")
        return response

    driver = await driver_for(handler).run()
    assert (driver.status, driver.body) == (204, b"")


async def test_a_class_of_ones_own() -> None:
    class Shouting(web.EventSourceResponse):
        async def shout(self, data: str) -> None:
            await self.send(data.upper())

    async def handler(request: web.Request) -> web.StreamResponse:
        async with web.sse_response(request, response_cls=Shouting) as response:
            await response.shout("x")
        return response

    assert (await driver_for(handler).run()).body == b"data: X\r\n\r\n"
    with pytest.raises(TypeError, match="subclass of EventSourceResponse"):
        web.sse_response(None, response_cls=web.StreamResponse)  # type: ignore[call-overload]


def test_no_compression() -> None:
    with pytest.raises(NotImplementedError, match="not compressed"):
        web.EventSourceResponse().enable_compression()


def test_line_ends_that_are_none() -> None:
    for sep in ("", "x", "\n\n", "\u2028"):
        with pytest.raises(ValueError, match="sep is what ends a line"):
            web.EventSourceResponse(sep=sep)


@pytest.mark.parametrize("value", [0, -1, math.inf, math.nan])
def test_intervals_that_are_none(value: float) -> None:
    with pytest.raises(ValueError, match="ping_interval is a positive number"):
        web.EventSourceResponse(ping_interval=value)


@pytest.mark.parametrize("value", ["15", None, True])
def test_intervals_of_another_type(value: Any) -> None:
    with pytest.raises(TypeError, match="ping_interval is a number of seconds"):
        web.EventSourceResponse(ping_interval=value)


@pytest.mark.parametrize(("value", "error"), [(0, ValueError), (-1.0, ValueError), ("1", TypeError), (True, TypeError)])
def test_a_send_timeout_that_is_none(value: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="send_timeout is a"):
        web.EventSourceResponse(send_timeout=value)


async def test_before_prepare() -> None:
    response = web.EventSourceResponse()
    assert not response.is_connected()
    for use in (response.wait(), response.__aenter__(), response.send("x")):
        with pytest.raises(RuntimeError, match="prepare"):
            await use
    with pytest.raises(RuntimeError, match="prepare"):
        response.stop_streaming()
    with pytest.raises(RuntimeError, match="prepare"):
        _ = response.last_event_id


# Pings


async def test_pings() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        async with web.sse_response(request, ping_interval=0.001, sep="\n") as response:
            await forever()
        return response

    driver = driver_for(handler)
    task = driver.start()
    await driver.until_sent(4)
    driver.disconnect()
    await task
    assert driver.body.startswith(b": ping\n\n: ping\n\n: ping\n\n")


async def test_no_ping_after_the_end() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = await web.sse_response(request, ping_interval=0.001)
        await response.write_eof()
        await asyncio.sleep(0.01)
        return response

    driver = await driver_for(handler).run()
    assert driver.complete


async def test_an_interval_that_changes() -> None:
    response = web.EventSourceResponse(ping_interval=5)
    response.ping_interval = 2.5
    assert response.ping_interval == 2.5


async def test_a_ping_to_nobody_ends_the_stream() -> None:
    """Servers of ASGI 2.4 raise from send(), and may say nothing else."""
    happened: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        async with web.sse_response(request, ping_interval=0.001) as response:
            await response.send("x")
            driver.send_error = OSError()
            await forever()
        happened.append("after the block")
        return response

    driver = driver_for(handler, asgi={"version": "3.0", "spec_version": "2.4"})
    await driver.run()
    assert happened == ["after the block"]


async def test_a_body_that_cannot_be_read_says_nothing_of_the_client() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        with pytest.raises(web.RequestPayloadError):
            await request.content.read()
        async with web.sse_response(request, ping_interval=0.001, allow_all_methods=True) as response:
            await forever()
        return response

    headers = [(b"content-encoding", b"gzip"), (b"content-length", b"100")]
    driver = driver_for(handler, "POST", headers=headers, body=None)
    driver.feed_body(b"no gzip", more_body=True)
    task = driver.start()
    await driver.until_sent(4)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert driver.body.startswith(b": ping\r\n\r\n: ping\r\n\r\n")


async def test_a_mocked_request() -> None:
    """A handler in a unit test, without a server."""
    request = make_mocked_request("GET", "/", headers={"Last-Event-ID": "7"})
    async with web.sse_response(request) as response:
        await response.send("x")
        assert (response.last_event_id, response.is_connected()) == ("7", True)
        assert await response.prepare(request) is not None


async def test_a_request_that_was_not_routed() -> None:
    driver = Driver.http(web.Application())
    async with web.sse_response(web.Request(driver.scope, driver.receive, driver.send)) as response:
        await response.send("x")
    assert driver.body == b"data: x\r\n\r\n"


# The end


async def run_until_gone(handler: Handler, **options: Any) -> Driver:
    """Ask, and leave after the first event."""
    driver = driver_for(handler, **options)
    task = driver.start()
    await driver.until_sent(2)
    driver.disconnect()
    await asyncio.wait_for(task, 10)
    return driver


async def test_a_client_that_leaves_ends_the_block() -> None:
    happened: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        async with web.sse_response(request) as response:
            await response.send("x")
            try:
                await forever()
            finally:
                await asyncio.sleep(0)
                happened.append(f"connected: {response.is_connected()}")
        happened.append("after the block")
        await asyncio.sleep(0)
        assert request.task.cancelling() == 0
        return response

    await run_until_gone(handler)
    assert happened == ["connected: False", "after the block"]


async def test_a_client_that_leaves_ends_wait() -> None:
    happened: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        async with web.sse_response(request) as response:
            await response.send("x")
            await response.wait()
            happened.append("waited")
            await asyncio.sleep(0)
            happened.append("not cancelled")
        return response

    await run_until_gone(handler)
    assert happened == ["waited", "not cancelled"]


async def test_a_client_that_leaves_without_a_block() -> None:
    happened: list[Any] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        response = await web.sse_response(request)
        await response.send("x")
        await response.wait()
        happened.append(response.is_connected())
        with pytest.raises(ClientConnectionResetError):
            await response.send("late")
        return response

    await run_until_gone(handler)
    assert happened == [False]


async def test_sending_to_a_client_that_left_ends_the_block(caplog: pytest.LogCaptureFixture) -> None:
    happened: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        async with web.sse_response(request) as response:
            await response.send("x")
            await response.wait()
            await response.send("y")
            happened.append("sent")
        happened.append("after the block")
        return response

    await run_until_gone(handler)
    assert happened == ["after the block"]
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_a_task_group_in_the_block() -> None:
    happened: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        async def ticks() -> None:
            try:
                await forever()
            finally:
                happened.append("ticks end")

        async with web.sse_response(request) as response:
            await response.send("x")
            async with asyncio.TaskGroup() as group:
                group.create_task(ticks())
                group.create_task(ticks())
        happened.append("after the block")
        return response

    await run_until_gone(handler)
    assert happened == ["ticks end", "ticks end", "after the block"]


async def test_a_task_group_that_sends_to_nobody() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        async with web.sse_response(request) as response:
            await response.send("x")
            await response.wait()
            async with asyncio.TaskGroup() as group:
                group.create_task(response.send("y"))
                group.create_task(response.send("z"))
        return response

    driver = await run_until_gone(handler)
    assert driver.status == 200


async def test_an_error_while_the_block_ends_is_raised() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        async with web.sse_response(request) as response:
            await response.send("x")
            try:
                await forever()
            finally:
                raise ValueError("from the block")
        return response

    with pytest.raises(ValueError, match="from the block"):
        await run_until_gone(handler)


async def test_a_block_that_goes_on_after_its_cancellation() -> None:
    counts: list[int] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        async with web.sse_response(request) as response:
            await response.send("x")
            try:
                await forever()
            except asyncio.CancelledError:
                await asyncio.sleep(0)
        counts.append(request.task.cancelling())
        return response

    await run_until_gone(handler)
    assert counts == [0]


async def test_a_cancellation_by_others_goes_through() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        async with web.sse_response(request) as response:
            await response.send("x")
            await forever()
        return response

    driver = driver_for(handler)
    task = driver.start()
    await driver.until_sent(2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_both_at_once_is_a_cancellation() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        async with web.sse_response(request) as response:
            streams.append(response)
            await response.send("x")
            await forever()
        return response

    streams: list[web.EventSourceResponse] = []
    driver = driver_for(handler)
    task = driver.start()
    await driver.until_sent(2)
    streams[0].stop_streaming()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_client_that_left_before_the_block() -> None:
    happened: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        response = await web.sse_response(request)
        await response.wait()
        async with response:
            happened.append("in the block")
            await forever()
        async with response:
            happened.append("without waiting")
        await asyncio.sleep(0)
        happened.append("after the block")
        return response

    driver = driver_for(handler)
    driver.disconnect()
    await driver.run()
    assert happened == ["in the block", "without waiting", "after the block"]


async def test_stop_streaming_ends_the_block() -> None:
    happened: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        async with web.sse_response(request) as response:
            asyncio.get_running_loop().call_soon(response.stop_streaming)
            await forever()
        happened.append(f"connected: {response.is_connected()}")
        await response.send("goodbye")
        return response

    driver = await driver_for(handler).run()
    assert happened == ["connected: False"]
    assert driver.body == b"data: goodbye\r\n\r\n"
    assert driver.complete


async def test_stop_streaming_by_the_block_itself() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        async with web.sse_response(request) as response:
            response.stop_streaming()
            assert not response.is_connected()
            await response.wait()
            await response.send("goodbye")
            response.stop_streaming()
        return response

    driver = await driver_for(handler).run()
    assert driver.body == b"data: goodbye\r\n\r\n"


async def test_stop_event_streams_on_shutdown() -> None:
    async def events(request: web.Request) -> web.StreamResponse:
        async with web.sse_response(request) as response:
            await response.send("x")
            await forever()
        return response

    below = web.Application()
    below.router.add_get("/", events)
    app = web.Application()
    app.router.add_get("/", events)
    app.add_subapp("/below", below)
    app.on_shutdown.append(web.stop_event_streams)
    async with app:
        drivers = [Driver.http(app, target=target) for target in ("/", "/below/", "/")]
        tasks = [driver.start() for driver in drivers]
        for driver in drivers:
            await driver.until_sent(2)
        await app.shutdown()
        await asyncio.wait_for(asyncio.gather(*tasks), 10)
    assert all(driver.complete for driver in drivers)


async def test_stop_event_streams_stops_those_of_its_application() -> None:
    async def events(request: web.Request) -> web.StreamResponse:
        async with web.sse_response(request) as response:
            await response.send("x")
            await web.stop_event_streams(other)
            assert response.is_connected()
        return response

    other = web.Application()
    await driver_for(events).run()


async def test_a_stream_that_ended_is_forgotten() -> None:
    from weakref import ref

    kept: list[ref[web.StreamResponse]] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        async with web.sse_response(request) as response:
            await response.send("x")
        kept.append(ref(response))
        return response

    driver = driver_for(handler)
    await driver.run()
    await asyncio.sleep(0)
    gc.collect()
    assert kept[0]() is None


# Clients that are slow, and senders that are several


class Stalled(Driver):
    """A server whose client takes nothing after the headers."""

    async def send(self, message: Any) -> None:
        await super().send(message)
        if message["type"] == "http.response.body" and message.get("more_body"):
            await forever()


async def test_a_client_that_takes_nothing() -> None:
    happened: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        async with web.sse_response(request, send_timeout=0.001) as response:
            try:
                await response.send("x")
            except TimeoutError as exc:
                happened.append(str(exc))
            assert not response.is_connected()
        return response

    app = web.Application()
    app.router.add_get("/", handler)
    await Stalled.http(app).run()
    assert happened == ["The client took nothing for 0.001 seconds"]


async def test_a_client_that_is_slow_but_takes_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time counts for each event, not for all of them."""
    seconds = 0.0
    needed = 0.6

    class Slow(Driver):
        async def send(self, message: Any) -> None:
            nonlocal seconds
            await super().send(message)
            seconds += needed
            for _ in range(3):
                await asyncio.sleep(0)

    async def handler(request: web.Request) -> web.StreamResponse:
        nonlocal needed
        async with web.sse_response(request, send_timeout=1) as response:
            for _ in range(5):
                await response.send("x")
            needed = 1.1
            with pytest.raises(TimeoutError):
                await response.send("y")
        needed = 0
        return response

    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: seconds)
    app = web.Application()
    app.router.add_get("/", handler)
    assert (await Slow.http(app).run()).body.count(b"data: x") == 5


async def test_a_cancellation_while_the_client_takes_nothing() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        async with web.sse_response(request) as response:
            await response.send("x")
        return response

    app = web.Application()
    app.router.add_get("/", handler)
    driver = Stalled.http(app)
    task = driver.start()
    await driver.until_sent(2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_client_that_takes_no_ping() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        async with web.sse_response(request, send_timeout=0.001, ping_interval=0.001):
            await forever()
        return web.Response()  # which comes too late

    app = web.Application()
    app.router.add_get("/", handler)
    with pytest.raises(RuntimeError):
        await Stalled.http(app).run()


async def test_a_client_that_leaves_while_it_takes_nothing() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        async with web.sse_response(request, send_timeout=None) as response:
            await response.send("x")
        return response

    app = web.Application()
    app.router.add_get("/", handler)
    driver = Stalled.http(app)
    task = driver.start()
    await driver.until_sent(2)
    driver.disconnect()
    await asyncio.wait_for(task, 10)
    assert driver.complete


async def test_events_of_several_tasks_do_not_mix() -> None:
    class Slow(Driver):
        sending = 0

        async def send(self, message: Any) -> None:
            self.sending += 1
            assert self.sending == 1
            await asyncio.sleep(0)
            await super().send(message)
            self.sending -= 1

    async def handler(request: web.Request) -> web.StreamResponse:
        async with web.sse_response(request) as response:
            await asyncio.gather(*(response.send(str(number)) for number in range(5)))
        return response

    app = web.Application()
    app.router.add_get("/", handler)
    driver = await Slow.http(app).run()
    assert driver.body == b"".join(b"data: %d\r\n\r\n" % number for number in range(5))


# On a socket


async def test_over_uvicorn() -> None:
    ended = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        async with web.sse_response(request) as response:
            await response.send("hello\nworld", id="1")
            await forever()
        ended.set()
        return response

    app = web.Application()
    app.router.add_get("/", handler)
    async with UvicornBackend().client(app) as client:
        async with client.stream("GET", "/") as response:
            received = b""
            async for data in response.aiter_bytes():
                received += data
                if received.endswith(b"\r\n\r\n"):
                    break
        await asyncio.wait_for(ended.wait(), 10)
    assert response.headers["Content-Type"] == "text/event-stream"
    assert received == b"id: 1\r\ndata: hello\r\ndata: world\r\n\r\n"

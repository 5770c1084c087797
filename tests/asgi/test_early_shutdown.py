"""on_shutdown before the server sends lifespan.shutdown: by its signals, and by hypercorn's own event."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType, SimpleNamespace
from typing import Any

import httpx
import pytest
import uvloop

from framework import web
from framework.typedefs import ASGIApp, Message, Receive, Scope, Send
from tests.driver import Driver

SignalHandler = Callable[[int, FrameType | None], None]


@contextlib.contextmanager
def handled(*handlers: tuple[int, SignalHandler | int]) -> Iterator[None]:
    """Signal handlers of a server's."""
    before = [(number, signal.signal(number, handler)) for number, handler in handlers]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)


@pytest.fixture
def heard() -> Iterator[list[int]]:
    """A server that handles SIGTERM and SIGINT: the signals it has been told of."""
    heard: list[int] = []

    def hear(number: int, frame: FrameType | None) -> None:
        heard.append(number)

    with handled((signal.SIGTERM, hear), (signal.SIGINT, hear)):
        yield heard


class Recording:
    """An application that notes what happens to it; ``on_shutdown`` waits until `may_go` is set."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.may_go = asyncio.Event()
        self.may_go.set()
        self.shut_down = asyncio.Event()
        self.app = app = web.Application()
        app.router.add_get("/", self.answer)
        app.router.add_get("/ws", self.chat)
        app.on_shutdown.append(self.on_shutdown)
        app.on_cleanup.append(self.on_cleanup)

    async def answer(self, request: web.Request) -> web.Response:
        return web.Response(text="hello")

    async def chat(self, request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        async for _ in ws:
            pass
        return ws

    async def on_shutdown(self, app: web.Application) -> None:
        self.events.append("shutdown begins")
        await self.may_go.wait()
        self.events.append("shutdown ends")
        self.shut_down.set()

    async def on_cleanup(self, app: web.Application) -> None:
        self.events.append("cleanup")


async def start(app: ASGIApp) -> Driver:
    """The lifespan of an application that has started."""
    lifespan = Driver.lifespan(app)
    lifespan.feed({"type": "lifespan.startup"})
    lifespan.start()
    await lifespan.until_sent(1)
    assert lifespan.sent == [{"type": "lifespan.startup.complete"}]
    return lifespan


async def stop(lifespan: Driver) -> Message:
    lifespan.feed({"type": "lifespan.shutdown"})
    await lifespan.run()
    return lifespan.sent[-1]


COMPLETE = {"type": "lifespan.shutdown.complete"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_on_shutdown_runs_at_the_signal(number: int, heard: list[int]) -> None:
    recording = Recording()
    lifespan = await start(recording.app)
    signal.raise_signal(number)
    assert heard == [number]
    await recording.shut_down.wait()
    assert recording.events == ["shutdown begins", "shutdown ends"]
    assert await stop(lifespan) == COMPLETE
    assert recording.events == ["shutdown begins", "shutdown ends", "cleanup"]


async def test_requests_are_answered_in_between(heard: list[int]) -> None:
    recording = Recording()
    lifespan = await start(recording.app)
    signal.raise_signal(signal.SIGTERM)
    await recording.shut_down.wait()
    assert (await Driver.http(recording.app, "GET", "/").run()).body == b"hello"
    assert await stop(lifespan) == COMPLETE


async def test_websockets_are_closed_at_the_signal(heard: list[int]) -> None:
    recording = Recording()
    lifespan = await start(recording.app)
    client = Driver.websocket(recording.app, "/ws")
    client.start()
    await client.until_sent(1)
    signal.raise_signal(signal.SIGTERM)
    await client.until_sent(2)
    assert client.sent[-1]["code"] == 1001
    client.disconnect(1001)
    await client.run()
    assert await stop(lifespan) == COMPLETE


async def test_what_opens_after_it_ends_at_once(heard: list[int]) -> None:
    """Servers go on for a moment: a request of then would hold them up as those before it would have."""

    async def stream(request: web.Request) -> web.StreamResponse:
        async with web.sse_response(request) as response:
            await asyncio.Event().wait()
        return response

    recording = Recording()
    recording.app.router.add_get("/events", stream)
    recording.app.on_shutdown.append(web.stop_event_streams)
    for _ in range(2):
        lifespan = await start(recording.app)
        signal.raise_signal(signal.SIGTERM)
        await recording.shut_down.wait()
        recording.shut_down.clear()
        assert (await Driver.http(recording.app, "GET", "/events").run()).complete
        client = Driver.websocket(recording.app, "/ws")
        client.start()
        await client.until_sent(2)
        assert client.sent[-1]["code"] == 1001
        client.disconnect(1001)
        await client.run()
        assert await stop(lifespan) == COMPLETE

    # Started again, it keeps them open.
    lifespan = await start(recording.app)
    client, events = Driver.websocket(recording.app, "/ws"), Driver.http(recording.app, "GET", "/events")
    client.start()
    events.start()
    await events.until_sent(1)
    await client.until_sent(1)
    for _ in range(10):
        await asyncio.sleep(0)
    assert (len(client.sent), events.complete) == (1, False)
    client.disconnect(1001)
    await client.run()
    events.disconnect()
    await events.run()
    assert await stop(lifespan) == COMPLETE


async def test_more_signals_do_not_run_it_again(heard: list[int]) -> None:
    recording = Recording()
    lifespan = await start(recording.app)
    for _ in range(3):
        signal.raise_signal(signal.SIGTERM)
    await recording.shut_down.wait()
    signal.raise_signal(signal.SIGINT)
    assert await stop(lifespan) == COMPLETE
    assert recording.events == ["shutdown begins", "shutdown ends", "cleanup"]


async def test_lifespan_shutdown_waits_for_it(heard: list[int]) -> None:
    recording = Recording()
    recording.may_go.clear()
    lifespan = await start(recording.app)
    signal.raise_signal(signal.SIGTERM)
    asyncio.get_running_loop().call_later(0.01, recording.may_go.set)
    assert await stop(lifespan) == COMPLETE
    assert recording.events == ["shutdown begins", "shutdown ends", "cleanup"]


async def test_what_it_raises_is_logged_at_once_and_told_at_the_end(
    heard: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(app: web.Application) -> None:
        raise LookupError("no")

    recording = Recording()
    recording.app.on_shutdown.append(fail)
    lifespan = await start(recording.app)
    signal.raise_signal(signal.SIGTERM)
    await recording.shut_down.wait()
    assert await stop(lifespan) == {"type": "lifespan.shutdown.failed", "message": "LookupError: no"}
    assert recording.events[-1] == "cleanup"
    assert [record.message for record in caplog.records] == [
        "on_shutdown failed while the server waits for its connections",
        "Application shutdown failed",
    ]


async def test_what_it_raises_when_the_server_waits_no_more(heard: list[int], caplog: pytest.LogCaptureFixture) -> None:
    async def fail(app: web.Application) -> None:
        raise LookupError("no")

    recording = Recording()
    recording.may_go.clear()
    recording.app.on_shutdown.append(fail)
    lifespan = await start(recording.app)
    signal.raise_signal(signal.SIGTERM)
    await asyncio.sleep(0)
    asyncio.get_running_loop().call_later(0.01, recording.may_go.set)
    assert await stop(lifespan) == {"type": "lifespan.shutdown.failed", "message": "LookupError: no"}
    assert [record.message for record in caplog.records] == ["Application shutdown failed"]


async def test_without_a_signal_it_is_as_ever(heard: list[int]) -> None:
    recording = Recording()
    assert await stop(await start(recording.app)) == COMPLETE
    assert recording.events == ["shutdown begins", "shutdown ends", "cleanup"]


async def test_signals_are_given_back(heard: list[int]) -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    recording = Recording()
    lifespan = await start(recording.app)
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) != before
    await stop(lifespan)
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


async def test_a_handler_that_came_later_stays(heard: list[int]) -> None:
    recording = Recording()
    lifespan = await start(recording.app)
    with handled((signal.SIGTERM, mine := lambda number, frame: None)):
        await stop(lifespan)
        assert signal.getsignal(signal.SIGTERM) is mine


async def test_an_application_that_has_ended_passes_signals_on(heard: list[int]) -> None:
    """Two applications; the one that has started first, whose handler the other one calls, ends first."""
    first, second = Recording(), Recording()
    lifespans = [await start(first.app), await start(second.app)]
    await stop(lifespans[0])
    signal.raise_signal(signal.SIGTERM)
    await second.shut_down.wait()
    assert heard == [signal.SIGTERM]
    assert await stop(lifespans[1]) == COMPLETE
    assert first.events == second.events == ["shutdown begins", "shutdown ends", "cleanup"]


async def test_an_application_that_is_started_again(heard: list[int]) -> None:
    recording = Recording()
    for _ in range(2):
        recording.events.clear()
        recording.shut_down.clear()
        lifespan = await start(recording.app)
        signal.raise_signal(signal.SIGTERM)
        await recording.shut_down.wait()
        assert await stop(lifespan) == COMPLETE
        assert recording.events == ["shutdown begins", "shutdown ends", "cleanup"]


async def test_a_handler_that_raises_does_so_still() -> None:
    def give_up(number: int, frame: FrameType | None) -> None:
        raise InterruptedError("by the server")

    recording = Recording()
    with handled((signal.SIGTERM, give_up)):
        lifespan = await start(recording.app)
        with pytest.raises(InterruptedError, match="by the server"):
            signal.raise_signal(signal.SIGTERM)
        await recording.shut_down.wait()
        assert await stop(lifespan) == COMPLETE


@pytest.mark.parametrize("handler", [signal.SIG_DFL, signal.SIG_IGN])
async def test_signals_that_nobody_handles_are_left_alone(handler: Any) -> None:
    with handled((signal.SIGTERM, handler), (signal.SIGINT, signal.default_int_handler)):
        lifespan = await start(Recording().app)
        assert signal.getsignal(signal.SIGTERM) == handler
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        await stop(lifespan)


async def test_a_handler_of_sigint_alone_is_no_server() -> None:
    """asyncio.run() has one, and so have the loops of pytest-asyncio."""
    with handled((signal.SIGTERM, signal.SIG_DFL), (signal.SIGINT, mine := lambda number, frame: None)):
        lifespan = await start(Recording().app)
        assert signal.getsignal(signal.SIGINT) is mine
        await stop(lifespan)


async def test_it_can_be_switched_off(heard: list[int]) -> None:
    recording = Recording()
    assert recording.app.early_shutdown
    recording.app.early_shutdown = False
    before = signal.getsignal(signal.SIGTERM)
    lifespan = await start(recording.app)
    assert signal.getsignal(signal.SIGTERM) is before
    with pytest.raises(RuntimeError, match="has started"):
        recording.app.early_shutdown = True
    await stop(lifespan)


async def test_only_a_server_s_lifespan_touches_signals(heard: list[int]) -> None:
    before = signal.getsignal(signal.SIGTERM)
    app = Recording().app
    async with app, httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        assert (await client.get("/")).text == "hello"
        assert signal.getsignal(signal.SIGTERM) is before
    runner = web.AppRunner(Recording().app)
    await runner.setup()
    assert signal.getsignal(signal.SIGTERM) is before
    await runner.cleanup()
    await Driver.http(Recording().app, "GET", "/").run()
    assert signal.getsignal(signal.SIGTERM) is before


def in_a_wrapper(app: ASGIApp) -> ASGIApp:
    async def wrapper(scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, send)

    return wrapper


async def test_an_application_with_asgi_middlewares(heard: list[int]) -> None:
    recording = Recording()
    recording.app.add_asgi_middleware(in_a_wrapper)
    before = signal.getsignal(signal.SIGTERM)
    async with recording.app:
        assert signal.getsignal(signal.SIGTERM) is before
    recording.events.clear()
    recording.shut_down.clear()
    lifespan = await start(recording.app)
    signal.raise_signal(signal.SIGTERM)
    await recording.shut_down.wait()
    assert await stop(lifespan) == COMPLETE
    assert recording.events == ["shutdown begins", "shutdown ends", "cleanup"]


@pytest.mark.parametrize("wrapped", [False, True])
async def test_a_mounted_application(wrapped: bool, heard: list[int]) -> None:
    """The outer one hears of the end; an inner one whose lifespan it runs leaves signals alone."""
    outer, inner = Recording(), Recording()
    outer.app.mount("/inner", in_a_wrapper(inner.app) if wrapped else inner.app)
    before = signal.getsignal(signal.SIGTERM)
    async with outer.app:
        assert signal.getsignal(signal.SIGTERM) is before
    lifespan = await start(outer.app)
    outer.shut_down.clear()
    signal.raise_signal(signal.SIGTERM)
    await outer.shut_down.wait()
    assert await stop(lifespan) == COMPLETE
    assert inner.events[-3:] == ["shutdown begins", "shutdown ends", "cleanup"]


async def test_a_sub_application(heard: list[int]) -> None:
    outer, inner = Recording(), Recording()
    outer.app.add_subapp("/inner", inner.app)
    lifespan = await start(outer.app)
    signal.raise_signal(signal.SIGTERM)
    await inner.shut_down.wait()
    assert await stop(lifespan) == COMPLETE
    assert inner.events == ["shutdown begins", "shutdown ends", "cleanup"]


async def test_it_runs_in_the_context_of_the_startup(heard: list[int]) -> None:
    """And not in that of the code which the signal interrupts."""
    name = contextvars.ContextVar("name", default="startup")
    seen: list[str] = []

    async def look(app: web.Application) -> None:
        seen.append(name.get())

    recording = Recording()
    recording.app.on_shutdown.append(look)
    lifespan = await start(recording.app)
    name.set("request")
    signal.raise_signal(signal.SIGTERM)
    await recording.shut_down.wait()
    await stop(lifespan)
    assert seen == ["startup"]


@pytest.mark.parametrize("new_event_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_handlers_of_the_event_loop(new_event_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """They are called by what C writes for a signal that has a handler of Python's, whichever."""

    async def main() -> None:
        heard = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, heard.set)
        recording = Recording()
        lifespan = await start(recording.app)
        threading.Timer(0.01, signal.pthread_kill, (threading.main_thread().ident, signal.SIGTERM)).start()
        await asyncio.wait_for(asyncio.gather(heard.wait(), recording.shut_down.wait()), 60)
        assert await stop(lifespan) == COMPLETE
        heard.clear()
        signal.raise_signal(signal.SIGTERM)
        await asyncio.wait_for(heard.wait(), 60)
        assert loop.remove_signal_handler(signal.SIGTERM)
        assert recording.events == ["shutdown begins", "shutdown ends", "cleanup"]

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(main())
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


async def test_a_server_in_another_thread_touches_no_signals(heard: list[int]) -> None:
    before = signal.getsignal(signal.SIGTERM)

    async def run() -> None:
        lifespan = await start(Recording().app)
        assert signal.getsignal(signal.SIGTERM) is before
        await stop(lifespan)

    await asyncio.to_thread(asyncio.run, run())


# --- hypercorn's workers -----------------------------------------------------------------------------------------


class Stream:
    """Where hypercorn's `send` comes from: the names that matter."""

    def __init__(self, driver: Driver, terminated: Any) -> None:
        self.driver = driver
        self.context = SimpleNamespace(terminated=terminated)

    async def app_send(self, message: Message) -> None:
        await self.driver.send(message)


async def ask(app: ASGIApp, terminated: Any) -> Driver:
    driver = Driver.http(app, "GET", "/")
    await app(driver.scope, driver.receive, Stream(driver, terminated).app_send)
    return driver


async def test_the_context_of_the_first_request_tells() -> None:
    recording = Recording()
    terminated = asyncio.Event()
    lifespan = await start(recording.app)
    assert (await ask(recording.app, terminated)).body == b"hello"
    assert (await ask(recording.app, terminated)).body == b"hello"
    assert recording.events == []
    terminated.set()
    await recording.shut_down.wait()
    assert await stop(lifespan) == COMPLETE
    assert recording.events == ["shutdown begins", "shutdown ends", "cleanup"]


async def test_the_first_request_may_be_a_websocket() -> None:
    recording = Recording()
    terminated = asyncio.Event()
    lifespan = await start(recording.app)
    client = Driver.websocket(recording.app, "/ws")
    task = asyncio.create_task(recording.app(client.scope, client.receive, Stream(client, terminated).app_send))
    await client.until_sent(1)
    terminated.set()
    await client.until_sent(2)
    assert client.sent[-1]["code"] == 1001
    client.disconnect(1001)
    await task
    assert await stop(lifespan) == COMPLETE


async def test_with_asgi_middlewares_the_first_request_tells_too() -> None:
    recording = Recording()
    recording.app.add_asgi_middleware(in_a_wrapper)
    terminated = asyncio.Event()
    lifespan = await start(recording.app)
    assert (await ask(recording.app, terminated)).body == b"hello"
    terminated.set()
    await recording.shut_down.wait()
    assert await stop(lifespan) == COMPLETE


@pytest.mark.parametrize("terminated", [None, "text", SimpleNamespace(wait=lambda: True)])
async def test_another_context_is_no_obstacle(terminated: Any) -> None:
    recording = Recording()
    lifespan = await start(recording.app)
    assert (await ask(recording.app, terminated)).body == b"hello"
    assert await stop(lifespan) == COMPLETE
    assert recording.events == ["shutdown begins", "shutdown ends", "cleanup"]


async def test_an_event_that_cannot_be_waited_for_is_no_obstacle() -> None:
    async def wait() -> None:
        raise RuntimeError("another loop's")

    recording = Recording()
    lifespan = await start(recording.app)
    assert (await ask(recording.app, SimpleNamespace(wait=wait))).body == b"hello"
    assert await stop(lifespan) == COMPLETE
    assert recording.events == ["shutdown begins", "shutdown ends", "cleanup"]


async def test_no_request_no_notice() -> None:
    recording = Recording()
    assert await stop(await start(recording.app)) == COMPLETE
    assert recording.events == ["shutdown begins", "shutdown ends", "cleanup"]

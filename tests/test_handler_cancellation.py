"""Handlers that are cancelled when their client leaves: what each message of the server does to them."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from framework import testing, web
from tests.driver import Driver

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Waiting:
    """A handler that waits for ever, and says what became of it."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.end: BaseException | None = None

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        self.begun.set()
        try:
            await asyncio.Event().wait()
        except BaseException as exc:
            self.end = exc
            raise
        raise AssertionError("not reached")


def app_with(handler: Handler, *, cancels: bool = True, **route: Any) -> web.Application:
    app = web.Application(handler_cancellation=cancels)
    app.router.add_route("*", "/", handler, **route)
    return app


async def left_by_client(app: web.Application, begun: asyncio.Event, **options: Any) -> Driver:
    """The conversation of a client that leaves when the handler has begun."""
    driver = Driver.http(app, "GET", "/", **options)
    task = driver.start()
    await begun.wait()
    driver.disconnect()
    await task
    return driver


# --- Which handlers -------------------------------------------------------------------------------


async def test_a_client_that_leaves() -> None:
    waiting = Waiting()
    driver = await left_by_client(app_with(waiting), waiting.begun)
    assert isinstance(waiting.end, asyncio.CancelledError)
    assert driver.sent == []


async def test_the_route_says_true() -> None:
    waiting = Waiting()
    await left_by_client(app_with(waiting, cancels=False, handler_cancellation=True), waiting.begun)
    assert isinstance(waiting.end, asyncio.CancelledError)


@pytest.mark.parametrize("route", [{"handler_cancellation": False}, {}])
async def test_a_handler_that_is_not_cancelled(route: dict[str, Any]) -> None:
    async def handler(request: web.Request) -> web.Response:
        await request.wait_for_disconnection()
        await asyncio.sleep(0.03)
        done.append(True)
        return web.Response()

    done: list[bool] = []
    driver = Driver.http(app_with(handler, cancels=bool(route), **route), "GET", "/")
    driver.disconnect()
    await driver.run()
    assert done == [True]


async def test_each_route_says_it_for_itself() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response()

    app = web.Application()
    routes = app.add_routes(
        [
            web.get("/a", handler, handler_cancellation=True, allow_head=False),
            web.get("/b", handler, handler_cancellation=False, allow_head=False),
            web.get("/c", handler, allow_head=False),
        ]
    )
    assert [route.handler_cancellation for route in routes] == [True, False, None]


@pytest.mark.parametrize(("outer", "inner"), [(True, False), (False, True)])
async def test_a_subapplication(outer: bool, inner: bool) -> None:
    waiting = Waiting()
    app = web.Application(handler_cancellation=outer)
    app.add_subapp("/sub", app_with(waiting, cancels=inner))
    driver = Driver.http(app, "GET", "/sub/")
    task = driver.start()
    await waiting.begun.wait()
    driver.disconnect()
    await task
    assert isinstance(waiting.end, asyncio.CancelledError)


async def test_a_view() -> None:
    begun = asyncio.Event()
    ends: list[type[BaseException]] = []

    class Page(web.View):
        async def get(self) -> web.StreamResponse:
            begun.set()
            try:
                await asyncio.Event().wait()
            except BaseException as exc:
                ends.append(type(exc))
                raise
            raise AssertionError

    app = web.Application(handler_cancellation=True)
    app.router.add_view("/", Page)
    await left_by_client(app, begun)
    assert ends == [asyncio.CancelledError]


async def test_a_router_of_the_programs_own() -> None:
    class Router(web.UrlDispatcher):
        async def resolve(self, request: web.Request) -> Any:
            return await super().resolve(request)

    with pytest.warns(DeprecationWarning, match="router argument"):
        app = web.Application(router=Router(), handler_cancellation=True)
    waiting = Waiting()
    app.router.add_get("/", waiting)
    await left_by_client(app, waiting.begun)
    assert isinstance(waiting.end, asyncio.CancelledError)


async def test_the_property() -> None:
    app = web.Application()
    assert app.handler_cancellation is False
    app.handler_cancellation = True
    assert app.handler_cancellation is True
    async with app:
        app.handler_cancellation = True
        with pytest.raises(RuntimeError, match="has started"):
            app.handler_cancellation = False


async def test_a_mounted_application_decides_for_itself() -> None:
    """Whoever is mounted receives the server's messages: the outer application cannot."""
    received: list[str] = []

    async def mounted(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await receive()
            await asyncio.sleep(0.03)
            received.append((await receive())["type"])

    app = web.Application(handler_cancellation=True)
    app.mount("/", mounted)
    driver = Driver.http(app, "GET", "/")
    driver.disconnect()
    await driver.run()
    assert received == ["http.disconnect"]


# --- The task -------------------------------------------------------------------------------------


async def test_the_servers_task_is_left_as_it_was() -> None:
    waiting = Waiting()
    left: list[int] = []
    driver = Driver.http(app_with(waiting), "GET", "/")

    async def serve() -> str:
        await driver.run()
        task = asyncio.current_task()
        assert task is not None
        left.append(task.cancelling())
        await asyncio.sleep(0)
        return "served"

    server = asyncio.ensure_future(serve())
    await waiting.begun.wait()
    driver.disconnect()
    assert await server == "served"
    assert left == [0]


async def run_in_own_task(app: web.Application, begun: asyncio.Event, *, leaves: bool) -> asyncio.Task[None]:
    """A request whose server cancels it, and whose client leaves at the same time if `leaves`."""
    driver = Driver.http(None, "GET", "/")
    task: asyncio.Task[None] = asyncio.ensure_future(app(driver.scope, driver.receive, driver.send))
    await begun.wait()
    if leaves:
        # Until it is watched.
        await asyncio.sleep(0.02)
        driver.disconnect()
    task.cancel()
    await asyncio.wait([task])
    return task


@pytest.mark.parametrize("leaves", [False, True])
async def test_a_server_that_goes_down_cancels_its_task(leaves: bool) -> None:
    waiting = Waiting()
    task = await run_in_own_task(app_with(waiting), waiting.begun, leaves=leaves)
    assert isinstance(waiting.end, asyncio.CancelledError)
    assert task.cancelled()


async def test_a_server_that_goes_down_after_the_client_has_left() -> None:
    begun = asyncio.Event()
    cleaning = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cleaning.set()
            await asyncio.Event().wait()
        raise AssertionError

    driver = Driver.http(None, "GET", "/")
    task = asyncio.ensure_future(app_with(handler)(driver.scope, driver.receive, driver.send))
    await begun.wait()
    driver.disconnect()
    await cleaning.wait()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


async def test_a_cancellation_that_is_ignored_is_forgotten() -> None:
    begun = asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        begun.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        return web.Response(text="anyway")

    driver = Driver.http(app_with(handler), "GET", "/")

    async def serve() -> int:
        await driver.run()
        task = asyncio.current_task()
        assert task is not None
        return task.cancelling()

    server = asyncio.ensure_future(serve())
    await begun.wait()
    driver.disconnect()
    assert await server == 0
    assert driver.body == b"anyway"


async def test_cancelled_once() -> None:
    begun = asyncio.Event()
    cancelled: list[bool] = []

    async def handler(request: web.Request) -> web.Response:
        begun.set()
        for _ in range(5):
            try:
                await asyncio.sleep(0.02)
                await request.is_disconnected()
            except asyncio.CancelledError:
                cancelled.append(True)
        raise web.HTTPBadRequest

    await left_by_client(app_with(handler), begun)
    assert cancelled == [True]


async def test_a_timeout_that_ends_when_the_client_leaves() -> None:
    """Both have cancelled the task: it was not the timeout alone."""
    ends: list[type[BaseException]] = []
    begun = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        try:
            async with asyncio.timeout(None) as timeout:
                begun.set()
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    timeout.reschedule(0)
                    await asyncio.Event().wait()
        except BaseException as exc:
            ends.append(type(exc))
            raise
        raise AssertionError

    await left_by_client(app_with(handler), begun)
    assert ends == [asyncio.CancelledError]


async def test_a_shielded_part_goes_on() -> None:
    begun, go_on, saved = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def save() -> None:
        begun.set()
        await go_on.wait()
        saved.set()

    async def handler(request: web.Request) -> web.Response:
        await asyncio.shield(save())
        return web.Response()

    await left_by_client(app_with(handler), begun)
    go_on.set()
    await asyncio.wait_for(saved.wait(), 10)


async def test_background_tasks_of_a_handler_that_was_cancelled() -> None:
    begun = asyncio.Event()
    called: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        request.add_background_task(called.append, "what follows its success")
        begun.set()
        await asyncio.Event().wait()
        raise AssertionError

    app = app_with(handler)
    await left_by_client(app, begun)
    await app.close()
    assert called == []


async def test_background_tasks_run_on_when_the_client_leaves_later() -> None:
    begun = asyncio.Event()
    called: list[str] = []

    async def body() -> AsyncIterator[bytes]:
        yield b"x"
        begun.set()
        await asyncio.Event().wait()

    async def later() -> None:
        await asyncio.sleep(0)
        called.append("later")

    async def handler(request: web.Request) -> web.Response:
        request.add_background_task(later)
        return web.Response(body=body())

    app = app_with(handler)
    await left_by_client(app, begun)
    await app.close()
    assert called == ["later"]


# --- Responses ------------------------------------------------------------------------------------


async def test_the_end_of_a_response_is_no_end_of_a_client() -> None:
    """Servers say ``http.disconnect`` after a response, perhaps before their `send` has returned."""
    driver = Driver.http(None, "GET", "/")
    done: list[bool] = []

    async def send(message: Any) -> None:
        await driver.send(message)
        if message["type"] == "http.response.body" and not message.get("more_body"):
            driver.disconnect()
        for _ in range(5):
            await asyncio.sleep(0)

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await asyncio.sleep(0.03)
        await response.write_eof(b"all")
        await asyncio.sleep(0.03)
        done.append(True)
        return response

    await app_with(handler)(driver.scope, driver.receive, send)
    assert done == [True]
    assert driver.body == b"all"


@pytest.mark.parametrize("turns", range(8))
async def test_a_response_that_is_over_at_once(turns: int) -> None:
    async def handler(request: web.Request) -> web.Response:
        for _ in range(turns):
            await asyncio.sleep(0)
        return web.Response(text="quick")

    driver = Driver.http(app_with(handler), "GET", "/")
    await driver.run()
    driver.disconnect()
    await asyncio.sleep(0.03)
    assert driver.body == b"quick"
    assert len(asyncio.all_tasks()) == 1


async def test_a_receiver_of_on_response_prepare_that_fails_for_a_client_that_left() -> None:
    begun = asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        raise web.HTTPBadRequest

    async def prepare(request: web.Request, response: web.StreamResponse) -> None:
        begun.set()
        await asyncio.Event().wait()

    app = app_with(handler)
    app.on_response_prepare.append(prepare)
    driver = await left_by_client(app, begun)
    assert driver.sent == []


async def test_an_exception_handler_is_cancelled() -> None:
    begun = asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        raise LookupError

    async def slow(request: web.Request, exc: Exception) -> web.StreamResponse:
        begun.set()
        await asyncio.Event().wait()
        raise AssertionError

    app = app_with(handler)
    app.add_exception_handler(LookupError, slow)
    driver = await left_by_client(app, begun)
    assert driver.sent == []


async def test_trailing_receivers_and_a_failing_one(caplog: pytest.LogCaptureFixture) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response()

    async def prepare(request: web.Request, response: web.StreamResponse) -> None:
        await asyncio.sleep(0.03)
        raise LookupError("in a receiver")

    app = app_with(handler)
    app.on_response_prepare.append(prepare)
    driver = Driver.http(app, "GET", "/")
    await driver.run()
    assert driver.status == 500
    assert len(asyncio.all_tasks()) == 1


async def test_nothing_is_logged_above_debug(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    waiting = Waiting()
    await left_by_client(app_with(waiting), waiting.begun)
    assert [(record.levelname, record.getMessage()) for record in caplog.records if record.name != "asyncio"] == [
        ("DEBUG", "Cancelled a handler whose client has disconnected")
    ]


# --- Bodies ---------------------------------------------------------------------------------------

CHUNKED = [(b"host", b"example.com"), (b"transfer-encoding", b"chunked")]


async def test_a_handler_that_reads_the_body() -> None:
    ends: list[type[BaseException]] = []
    begun = asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        begun.set()
        try:
            await request.read()
        except BaseException as exc:
            ends.append(type(exc))
            raise
        raise AssertionError

    await left_by_client(app_with(handler), begun, headers=CHUNKED, body=None)
    assert ends == [asyncio.CancelledError]


@pytest.mark.parametrize("how", ["read", "content", "post", "multipart", "json"])
async def test_a_body_that_ends_before_its_handler_has_suspended(how: str) -> None:
    """Not a ConnectionResetError, which the handler might answer to: it is cancelled."""
    ends: list[type[BaseException]] = []
    multipart = (b"content-type", b"multipart/form-data; boundary=x")

    async def handler(request: web.Request) -> web.Response:
        try:
            if how == "content":
                await request.content.readexactly(9)
            elif how == "multipart":
                async for _ in await request.multipart():
                    pass
            else:
                await getattr(request, how)()
        except BaseException as exc:
            ends.append(type(exc))
            raise
        raise AssertionError

    headers = [*CHUNKED, multipart] if how in {"post", "multipart"} else CHUNKED
    driver = Driver.http(app_with(handler), "POST", "/", headers=headers, body=None)
    driver.feed_body(b"--x\r\n", more_body=True)
    driver.disconnect()
    await driver.run()
    assert ends == [asyncio.CancelledError]
    assert driver.sent == []


async def test_an_unread_body_is_kept_up_to_a_limit() -> None:
    async def handler(request: web.Request) -> web.Response:
        await asyncio.sleep(0.05)
        received = driver.received
        body = await request.read()
        return web.Response(text=f"{received} {len(body)}")

    driver = Driver.http(app_with(handler), "POST", "/", headers=CHUNKED, body=[bytes(2**15)] * 8)
    await driver.run()
    assert driver.body == b"2 262144"


async def test_the_client_is_watched_again_when_the_body_was_read_on() -> None:
    begun = asyncio.Event()
    ends: list[type[BaseException]] = []

    async def handler(request: web.Request) -> web.Response:
        await asyncio.sleep(0.03)
        while await request.content.readany():
            pass
        begun.set()
        try:
            await asyncio.Event().wait()
        except BaseException as exc:
            ends.append(type(exc))
            raise
        raise AssertionError

    await left_by_client(app_with(handler), begun, headers=CHUNKED, body=[bytes(2**15)] * 8)
    assert ends == [asyncio.CancelledError]


async def test_a_body_that_waits_for_100_continue_is_not_asked_for() -> None:
    async def handler(request: web.Request) -> web.Response:
        await asyncio.sleep(0.03)
        received = driver.received
        await request.content.readexactly(2)
        await asyncio.sleep(0.03)
        return web.Response(text=f"{received} {driver.received}")

    headers = [*CHUNKED, (b"expect", b"100-continue")]
    driver = Driver.http(app_with(handler), "POST", "/", headers=headers, body=None)
    driver.feed_body(b"on", more_body=True)
    driver.feed_body(b"e")
    await driver.run()
    assert driver.body == b"0 2"


async def test_a_clone_of_the_request_reads_the_body() -> None:
    async def through(request: web.Request, handler: Any) -> web.StreamResponse:
        await asyncio.sleep(0.03)
        response: web.StreamResponse = await handler(request.clone())
        return response

    async def handler(request: web.Request) -> web.Response:
        await asyncio.sleep(0.03)
        return web.Response(body=await request.read())

    app = app_with(handler)
    app.middlewares.append(web.middleware(through))
    driver = Driver.http(app, "POST", "/", headers=CHUNKED, body=[b"one ", b"two"])
    await driver.run()
    assert driver.body == b"one two"


async def test_a_server_whose_receive_fails() -> None:
    async def receive() -> Any:
        raise RuntimeError("out of order")

    async def handler(request: web.Request) -> web.Response:
        await asyncio.sleep(0.03)
        return web.Response(text="answered")

    driver = Driver.http(None, "POST", "/", headers=CHUNKED)
    await app_with(handler)(driver.scope, receive, driver.send)
    assert driver.body == b"answered"


async def test_a_server_whose_receive_fails_at_the_end() -> None:
    driver = Driver.http(None, "POST", "/", headers=CHUNKED)
    fails = asyncio.Event()
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(context))

    async def receive() -> Any:
        await fails.wait()
        raise RuntimeError("out of order")

    async def handler(request: web.Request) -> web.Response:
        await asyncio.sleep(0.03)
        fails.set()
        await asyncio.sleep(0)
        return web.Response(text="answered")

    await app_with(handler)(driver.scope, receive, driver.send)
    for _ in range(3):
        await asyncio.sleep(0)
    gc.collect()
    assert (driver.body, complaints) == (b"answered", [])


# --- Event streams --------------------------------------------------------------------------------


async def test_an_event_stream() -> None:
    begun = asyncio.Event()
    log: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        async with web.sse_response(request) as response:
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                # A second cancellation, the block's own, would end this.
                await asyncio.sleep(0.03)
                log.append("cleaned up")
        log.append("after the block")
        return response

    await left_by_client(app_with(handler), begun)
    assert log == ["cleaned up"]


# --- WebSockets -----------------------------------------------------------------------------------


def socket_app(talk: Callable[[web.WebSocketResponse], Awaitable[None]], **options: Any) -> web.Application:
    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(**options)
        await ws.prepare(request)
        await talk(ws)
        return ws

    return app_with(handler)


DROPPED = {"type": "websocket.disconnect", "code": 1006}


@pytest.mark.parametrize("code", [1000, 1006])
async def test_a_socket_whose_handler_does_not_receive(code: int) -> None:
    ends: list[type[BaseException]] = []

    async def talk(ws: web.WebSocketResponse) -> None:
        try:
            await asyncio.Event().wait()
        except BaseException as exc:
            ends.append(type(exc))
            raise

    driver = Driver.websocket(socket_app(talk), "/")
    driver.feed_ws("unread")
    driver.feed({"type": "websocket.disconnect", "code": code})
    await driver.run()
    assert ends == [asyncio.CancelledError]
    assert [message["type"] for message in driver.sent] == ["websocket.accept"]


async def test_a_socket_whose_handler_has_waited_before_the_handshake() -> None:
    ended = False

    async def handler(request: web.Request) -> web.WebSocketResponse:
        nonlocal ended
        # The client is watched by now, and what it sends next is waited for.
        await asyncio.sleep(0.03)
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        try:
            await asyncio.Event().wait()
        finally:
            ended = True
        return ws

    driver = Driver.websocket(app_with(handler), "/")
    driver.start()
    await driver.until_sent(1)
    driver.feed_ws("unread")
    driver.feed(DROPPED)
    await driver.run()
    assert ended


async def test_a_socket_whose_handler_has_received_in_vain() -> None:
    log: list[str] = []

    async def talk(ws: web.WebSocketResponse) -> None:
        try:
            await ws.receive(timeout=0.01)
        except TimeoutError:
            log.append("timeout")
        try:
            await asyncio.Event().wait()
        finally:
            log.append("end")

    driver = Driver.websocket(socket_app(talk), "/")
    driver.start()
    while not log:
        await asyncio.sleep(0.01)
    driver.feed(DROPPED)
    await driver.run()
    assert log == ["timeout", "end"]


@pytest.mark.parametrize("timeout", [None, 5.0])
async def test_a_socket_whose_handler_receives_is_told(timeout: float | None) -> None:
    log: list[Any] = []

    async def talk(ws: web.WebSocketResponse) -> None:
        log.append((await ws.receive()).data)
        log.append((await ws.receive()).type)
        await asyncio.sleep(0.03)
        log.append("after the end")

    driver = Driver.websocket(socket_app(talk, receive_timeout=timeout), "/")
    driver.feed_ws("one")
    driver.feed(DROPPED)
    await driver.run()
    assert log == ["one", web.WSMsgType.CLOSED, "after the end"]


async def test_messages_that_come_while_the_handler_does_something_else() -> None:
    async def talk(ws: web.WebSocketResponse) -> None:
        await asyncio.sleep(0.03)
        texts = []
        async for message in ws:
            texts.append(message.data)
            await asyncio.sleep(0)
            if message.data == "bye":
                break
        await ws.send_str(" ".join(texts))

    driver = Driver.websocket(socket_app(talk), "/")
    for text in (*map(str, range(100)), "bye"):
        driver.feed_ws(text)
    task = driver.start()
    await asyncio.sleep(0.02)
    # No more than is kept, and the one behind.
    assert driver.received <= 1 + 64 + 1
    await task
    assert driver.sent[1]["text"] == " ".join([*map(str, range(100)), "bye"])


async def test_a_socket_that_its_handler_closes() -> None:
    done: list[bool] = []

    async def talk(ws: web.WebSocketResponse) -> None:
        await asyncio.sleep(0)
        await ws.close()
        driver.feed(DROPPED)
        await asyncio.sleep(0.03)
        done.append(True)

    driver = Driver.websocket(socket_app(talk), "/")
    await driver.run()
    assert done == [True]


async def test_a_handshake_whose_client_leaves_before_it_is_answered() -> None:
    waiting = Waiting()
    driver = Driver.websocket(app_with(waiting), "/")
    task = driver.start()
    await waiting.begun.wait()
    driver.feed(DROPPED)
    await task
    assert isinstance(waiting.end, asyncio.CancelledError)
    assert driver.sent == []


async def test_nothing_is_left_of_a_socket() -> None:
    async def talk(ws: web.WebSocketResponse) -> None:
        raise LookupError

    driver = Driver.websocket(socket_app(talk), "/")
    with contextlib.suppress(LookupError):
        await driver.run()
    for _ in range(5):
        await asyncio.sleep(0)
    gc.collect()
    assert len(asyncio.all_tasks()) == 1


# --- In-process -----------------------------------------------------------------------------------


async def test_the_testing_client_leaves() -> None:
    waiting = Waiting()
    async with testing.client(app_with(waiting)) as client:
        asking = asyncio.ensure_future(client.get("/"))
        await waiting.begun.wait()
        asking.cancel()
        await asyncio.wait([asking])
    assert isinstance(waiting.end, asyncio.CancelledError)


async def test_the_testing_client_leaves_a_stream() -> None:
    ends: list[type[BaseException]] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x")
                await asyncio.sleep(0)
        except BaseException as exc:
            ends.append(type(exc))
            raise

    async with testing.client(app_with(handler)) as client, client.stream("GET", "/") as response:
        async for _ in response.aiter_bytes():
            break
    assert ends == [asyncio.CancelledError]

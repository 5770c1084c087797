"""What in-process test clients can do: each cell of the table in docs/testing.md is a program that is run.

`scripts/compare-test-clients` calls this in an environment that has all of them. Every cell is a process of its own,
which says "yes" when the client does what the row says, and is stopped after a while when it does not end.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import importlib.metadata
import re
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, ClassVar

#: Seconds after which a cell is a "no": what works takes milliseconds.
PATIENCE = 8.0

Body = Any


class App:
    """The application of all cells, plain ASGI: what it does depends on the path."""

    def __init__(self, *, startup_error: Exception | None = None) -> None:
        self.startup_error = startup_error
        self.events: list[str] = []
        self.received: list[bytes] = []
        self.loop: asyncio.AbstractEventLoop | None = None
        self.thread: int | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.loop, self.thread = asyncio.get_running_loop(), threading.get_ident()
        if scope["type"] == "lifespan":
            await self.lifespan(scope, receive, send)
        else:
            await getattr(self, scope["path"].strip("/") or "ok")(scope, receive, send)

    async def lifespan(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        if self.startup_error is not None:
            try:
                raise self.startup_error
            except Exception as exc:
                await send({"type": "lifespan.startup.failed", "message": str(exc)})
                raise
        self.events.append("startup")
        scope.get("state", {})["pool"] = "open"
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self.events.append("shutdown")
        await send({"type": "lifespan.shutdown.complete"})

    async def start(self, send: Any, status: int = 200, **more: Any) -> None:
        await send({"type": "http.response.start", "status": status, "headers": [], **more})

    async def ok(self, scope: Any, receive: Any, send: Any) -> None:
        await self.start(send)
        await send({"type": "http.response.body", "body": str(scope.get("state", {}).get("pool")).encode()})

    async def fail(self, scope: Any, receive: Any, send: Any) -> None:
        raise ZeroDivisionError

    async def events_stream(self, scope: Any, receive: Any, send: Any) -> None:
        await self.start(send)
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            pass
        self.events.append("disconnect")

    async def echo(self, scope: Any, receive: Any, send: Any) -> None:
        await self.start(send)
        more_body = True
        while more_body and (message := await receive())["type"] == "http.request":
            more_body = message.get("more_body", False)
            self.received.append(message["body"])
            await send({"type": "http.response.body", "body": message["body"], "more_body": more_body})

    async def refuse(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await self.start(send, 413)
        await send({"type": "http.response.body"})

    async def upload(self, scope: Any, receive: Any, send: Any) -> None:
        while (message := await receive())["type"] != "http.disconnect":
            if not message.get("more_body"):
                break
        self.events.append(message["type"])
        await self.start(send)
        await send({"type": "http.response.body"})

    async def trailers(self, scope: Any, receive: Any, send: Any) -> None:
        offered = "http.response.trailers" in (scope.get("extensions") or {})
        await self.start(send, trailers=offered)
        await send({"type": "http.response.body", "body": b"x"})
        if offered:
            await send({"type": "http.response.trailers", "headers": [(b"x-sum", b"42")]})

    async def socket(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        text = (await receive())["text"]
        await send({"type": "websocket.send", "text": text.upper()})
        await receive()

    async def stubborn(self, scope: Any, receive: Any, send: Any) -> None:
        await self.start(send)
        await send({"type": "http.response.body", "body": b"x"})
        await asyncio.Event().wait()


class Kit:
    """One test client, behind the few calls that the cells need; this one is of the kind of ``httpx.AsyncClient``."""

    name = ""
    packages: tuple[str, ...] = ()

    def open(self, app: App, **options: Any) -> Any:
        """An asynchronous context manager of the client."""
        raise NotImplementedError

    async def get(self, client: Any, path: str) -> Any:
        return await client.get(path)

    async def post(self, client: Any, path: str, body: AsyncIterator[bytes]) -> Any:
        return await client.post(path, content=body)

    @contextlib.asynccontextmanager
    async def stream(self, client: Any, path: str, body: Body = None) -> AsyncIterator[Callable[[], Awaitable[bytes]]]:
        method = "GET" if body is None else "POST"
        async with client.stream(method, path, content=body) as response:
            pieces = response.aiter_bytes()
            yield lambda: anext(pieces)

    async def shout(self, client: Any) -> str:
        raise NotImplementedError("no WebSockets")

    not_raising: ClassVar[dict[str, Any]] = {"raise_app_exceptions": False}


class Ours(Kit):
    name = "framework.testing"
    packages = ("asgi-framework",)

    def open(self, app: App, **options: Any) -> Any:
        from framework import testing

        return testing.client(app, shutdown_timeout=1.0, **options)

    async def shout(self, client: Any) -> str:
        async with client.websocket("/socket") as ws:
            await ws.send_str("hello")
            text: str = await ws.receive_str()
            return text


class Httpx(Kit):
    name = "httpx.ASGITransport"
    packages = ("httpx",)

    def open(self, app: App, **options: Any) -> Any:
        httpx = importlib.import_module("httpx")
        return httpx.AsyncClient(transport=httpx.ASGITransport(app, **options), base_url="http://t")


class HttpxAddOns(Kit):
    name = "the same with asgi-lifespan and httpx-ws"
    packages = ("httpx", "asgi-lifespan", "httpx-ws")

    @contextlib.asynccontextmanager
    async def open(self, app: App, **options: Any) -> Any:
        httpx = importlib.import_module("httpx")
        manager = importlib.import_module("asgi_lifespan").LifespanManager
        transport_class = importlib.import_module("httpx_ws.transport").ASGIWebSocketTransport
        async with (
            manager(app) as managed,
            httpx.AsyncClient(transport=transport_class(managed.app, **options), base_url="http://t") as client,
        ):
            yield client

    async def shout(self, client: Any) -> str:
        async with importlib.import_module("httpx_ws").aconnect_ws("http://t/socket", client) as ws:
            await ws.send_text("hello")
            text: str = await ws.receive_text()
            return text


class Litestar(Kit):
    name = "Litestar's AsyncTestClient"
    packages = ("litestar",)
    not_raising: ClassVar[dict[str, Any]] = {"raise_server_exceptions": False}

    def open(self, app: App, **options: Any) -> Any:
        return importlib.import_module("litestar.testing").AsyncTestClient(app, **options)

    async def shout(self, client: Any) -> str:
        socket = await client.websocket_connect("/socket")
        async with contextlib.AsyncExitStack() as stack:
            if hasattr(socket, "__aenter__"):
                await stack.enter_async_context(socket)
                await socket.send_text("hello")
                return str(await socket.receive_text())
            stack.enter_context(socket)
            socket.send_text("hello")
            return str(socket.receive_text())


class Starlette(Kit):
    """A synchronous client: it is called in a thread, so that the test's loop can do its part of a cell."""

    name = "Starlette's TestClient"
    packages = ("starlette",)
    not_raising: ClassVar[dict[str, Any]] = {"raise_server_exceptions": False}

    @contextlib.asynccontextmanager
    async def open(self, app: App, **options: Any) -> Any:
        client = importlib.import_module("starlette.testclient").TestClient(app, **options)
        await asyncio.to_thread(client.__enter__)
        try:
            yield client
        finally:
            await asyncio.to_thread(client.__exit__, None, None, None)

    async def get(self, client: Any, path: str) -> Any:
        return await asyncio.to_thread(client.get, path)

    async def post(self, client: Any, path: str, body: AsyncIterator[bytes]) -> Any:
        return await asyncio.to_thread(client.post, path, content=_in_loop(body))

    @contextlib.asynccontextmanager
    async def stream(self, client: Any, path: str, body: Body = None) -> AsyncIterator[Callable[[], Awaitable[bytes]]]:
        method, content = ("GET", None) if body is None else ("POST", _in_loop(body))
        context = client.stream(method, path, content=content)
        response = await asyncio.to_thread(context.__enter__)
        pieces = response.iter_bytes()
        try:
            yield lambda: asyncio.to_thread(next, pieces)
        finally:
            await asyncio.to_thread(context.__exit__, None, None, None)

    async def shout(self, client: Any) -> str:
        def converse() -> str:
            with client.websocket_connect("/socket") as ws:
                ws.send_text("hello")
                return str(ws.receive_text())

        return await asyncio.to_thread(converse)


def _in_loop(body: AsyncIterator[bytes]) -> Iterator[bytes]:
    """An asynchronous iterator of this loop, for a thread."""
    loop = asyncio.get_running_loop()

    async def step() -> bytes | None:
        return await anext(body, None)

    def pieces() -> Iterator[bytes]:
        while (piece := asyncio.run_coroutine_threadsafe(step(), loop).result()) is not None:
            yield piece

    return pieces()


KITS: tuple[Kit, ...] = (Ours(), Httpx(), HttpxAddOns(), Starlette(), Litestar())

Row = Callable[[Kit], Awaitable[bool]]


def _has(raised: Exception, kind: type[Exception]) -> bool:
    """Whether it is one of the kind, or a group with one."""
    if isinstance(raised, ExceptionGroup):
        return raised.subgroup(kind) is not None
    return isinstance(raised, kind)


async def own_loop(kit: Kit) -> bool:
    """the application runs in the test's own loop, without a thread"""
    app = App()
    async with kit.open(app) as client:
        await kit.get(client, "/ok")
    return app.loop is asyncio.get_running_loop() and app.thread == threading.get_ident()


async def lifespan(kit: Kit) -> bool:
    """startup and shutdown are run"""
    app = App()
    async with kit.open(app) as client:
        await kit.get(client, "/ok")
    return app.events == ["startup", "shutdown"]


async def state(kit: Kit) -> bool:
    """requests find the lifespan's state"""
    async with kit.open(App()) as client:
        return bool((await kit.get(client, "/ok")).text == "open")


async def startup_error(kit: Kit) -> bool:
    """a startup that fails is raised to the test"""
    try:
        async with kit.open(App(startup_error=ZeroDivisionError("no database"))):
            return False
    except Exception as exc:
        return _has(exc, ZeroDivisionError)


async def errors(kit: Kit) -> bool:
    """exceptions of a handler are raised, or become a 500, at choice"""
    try:
        async with kit.open(App()) as client:
            await kit.get(client, "/fail")
            return False
    except Exception as exc:
        if not _has(exc, ZeroDivisionError):
            raise
    async with kit.open(App(), **kit.not_raising) as client:
        return bool((await kit.get(client, "/fail")).status_code == 500)


async def streamed(kit: Kit) -> bool:
    """an event stream is read while its handler runs"""
    app = App()
    async with kit.open(app) as client, kit.stream(client, "/events_stream") as read:
        return await read() == b"one" and app.events[-1:] != ["disconnect"]


async def leaving(kit: Kit) -> bool:
    """a client that leaves in the middle of a response is noticed by the application"""
    app = App()
    async with kit.open(app) as client:
        async with kit.stream(client, "/events_stream") as read:
            if await read() != b"one" or "disconnect" in app.events:
                return False
        for _ in range(100):
            if "disconnect" in app.events:
                return True
            await asyncio.sleep(0.01)
    return False


async def uploading(kit: Kit) -> bool:
    """a slow upload is read piece by piece, while the test still sends"""
    app = App()
    seen: list[bytes] = []

    async def body() -> AsyncIterator[bytes]:
        yield b"one"
        for _ in range(200):
            if app.received == [b"one"]:
                break
            await asyncio.sleep(0.01)
        seen.extend(app.received)
        yield b"two"

    async with kit.open(app) as client:
        await kit.post(client, "/echo", body())
    return seen == [b"one"]


async def both_ways(kit: Kit) -> bool:
    """the response to an upload is read before the upload ends"""
    answered = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b"one"
        await answered.wait()
        yield b"two"

    async with kit.open(App()) as client, kit.stream(client, "/echo", body()) as read:
        if await read() != b"one":
            return False
        answered.set()
        return await read() == b"two"


async def early(kit: Kit) -> bool:
    """an answer ends an upload that would never end"""

    async def body() -> AsyncIterator[bytes]:
        while True:
            yield bytes(1000)
            await asyncio.sleep(0)

    async with kit.open(App()) as client:
        return bool((await kit.post(client, "/refuse", body())).status_code == 413)


async def breaking_off(kit: Kit) -> bool:
    """a client that leaves in the middle of its upload is noticed by the application"""

    async def body() -> AsyncIterator[bytes]:
        yield b"one"
        raise LookupError

    app = App()
    async with kit.open(app) as client:
        with contextlib.suppress(LookupError):
            await kit.post(client, "/upload", body())
        return app.events[-1:] == ["http.disconnect"]


async def trailers(kit: Kit) -> bool:
    """trailers are read"""
    async with kit.open(App()) as client:
        response = await kit.get(client, "/trailers")
    return "42" in str(response.extensions)


async def websocket(kit: Kit) -> bool:
    """a WebSocket"""
    async with kit.open(App()) as client:
        return await kit.shout(client) == "HELLO"


async def websocket_in_loop(kit: Kit) -> bool:
    """a WebSocket in the test's own loop"""
    app = App()
    async with kit.open(app) as client:
        return await kit.shout(client) == "HELLO" and app.loop is asyncio.get_running_loop()


async def leftovers(kit: Kit) -> bool:
    """a handler that does not end is an error with the place where it stands"""
    try:
        async with kit.open(App()) as client:
            await kit.get(client, "/stubborn")
    except Exception as exc:
        return "in stubborn" in str(exc)
    return False


ROWS: tuple[Row, ...] = (
    own_loop,
    lifespan,
    state,
    startup_error,
    errors,
    streamed,
    leaving,
    uploading,
    both_ways,
    early,
    breaking_off,
    trailers,
    websocket,
    websocket_in_loop,
    leftovers,
)


def run_cell(row: str, kit: str) -> str:
    """What a process of its own says: yes, no, or why not."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.test_clients", row, kit],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "no: hangs"
    lines = done.stdout.splitlines()
    if lines and lines[-1] in {"yes", "no"}:
        return lines[-1]
    errors = re.findall(r"^[ |+]*(?:\w+\.)*(\w+(?:Error|Exception|Group|Disconnect))\b", done.stderr, re.MULTILINE)
    if errors[-1:] == ["NotImplementedError"]:
        return "no"
    return f"no: {errors[-1] if errors else 'died'}"


def main() -> None:
    if len(sys.argv) == 3:
        (row,) = (row for row in ROWS if row.__name__ == sys.argv[1])
        (kit,) = (kit for kit in KITS if kit.name == sys.argv[2])
        print("yes" if asyncio.run(_of(row, kit)) else "no", flush=True)
        return
    packages = dict.fromkeys(package for kit in KITS for package in kit.packages)
    print(f"| | {' | '.join(kit.name for kit in KITS)} |")
    print(f"|---|{'---|' * len(KITS)}")
    for row in ROWS:
        cells = " | ".join(run_cell(row.__name__, kit.name) for kit in KITS)
        print(f"| {row.__doc__} | {cells} |", flush=True)
    versions = ", ".join(f"{package} {importlib.metadata.version(package)}" for package in packages)
    print(f"\nRun with {versions}.")


async def _of(row: Row, kit: Kit) -> bool:
    return await row(kit)


if __name__ == "__main__":
    main()

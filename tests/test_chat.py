"""examples/chat, with its rooms in memory and in a real Redis server."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import types
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest
from redis import Redis
from redis.exceptions import RedisError

from examples.chat import make_app
from examples.chat.broker import Broker, MemoryBroker
from examples.chat.client import Allowance, Limits
from examples.chat.redis_broker import RedisBroker
from framework import testing, web
from framework.testing import WebSocketSession
from tests.contract.backends import AiohttpBackend, UvicornBackend
from tests.test_layout import PROJECT

#: Seconds after which a test that waits fails.
PATIENCE = 20.0


class RedisServer:
    """Debian's redis-server in a folder of its own, without persistence."""

    def __init__(self, executable: str, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = listener.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}"
        self._command = [executable, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(folder)]
        self._command += ["--save", "", "--appendonly", "no"]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with Redis.from_url(self.url) as redis:
            while True:
                with contextlib.suppress(RedisError):
                    redis.ping()
                    return
                time.sleep(0.01)
                assert self._process.poll() is None, "redis-server has ended"

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def flush(self) -> None:
        with Redis.from_url(self.url) as redis:
            redis.flushall()


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    executable = shutil.which("redis-server")
    if executable is None:
        pytest.skip("redis-server is not installed: rooms in Redis cannot be tried without one")
    server = RedisServer(executable, tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def redis(redis_server: RedisServer) -> RedisServer:
    """A Redis server that runs, and is empty."""
    redis_server.flush()
    return redis_server


@pytest.fixture(params=["memory", "redis"])
def broker(request: pytest.FixtureRequest) -> Broker:
    if request.param == "memory":
        return MemoryBroker(history=3, members=3)
    return RedisBroker(request.getfixturevalue("redis").url, history=3, members=3)


def encoded(kind: str, **fields: Any) -> str:
    return json.dumps({"type": kind, **fields})


@asynccontextmanager
async def page(app: web.Application, name: str, room: str = "lobby", *, token: str = "") -> AsyncIterator[Page]:
    """Somebody in a room, or refused there: the answer has come, and is the first that is heard."""
    async with testing.websocket(app, f"/rooms/{room}") as ws:
        await ws.send_str(encoded("join", name=name, token=token or f"token-of-{name.encode().hex():0>16}"[:64]))
        yield Page(ws, await ws.receive())


class Page:
    def __init__(self, ws: WebSocketSession, first: web.WSMessage | None = None) -> None:
        self.ws = ws
        self.first = first

    async def say(self, text: str) -> None:
        await self.ws.send_str(encoded("say", text=text))

    async def hear(self, kind: str) -> Any:
        """The next event, which must be of this type."""
        event = await self.next_event()
        assert event["type"] == kind, event
        return event

    async def next_event(self) -> Any:
        first, self.first = self.first, None
        return await self.ws.receive_json() if first is None else first.json()

    async def hears(self, kind: str, *values: str) -> None:
        """These events come next: names of who has come or left, texts of messages."""
        heard = [await self.hear(kind) for _ in values]
        assert [event["text" if kind == "message" else "name"] for event in heard] == list(values)

    async def closed(self) -> tuple[Any, str]:
        """Code and reason of the close, whatever is sent before."""
        async for _ in self.ws:
            pass
        return self.ws.close_code, self.ws.close_reason


# A room


async def test_two_talk(broker: Broker) -> None:
    async with make_app(broker) as app, page(app, "Ada") as ada:
        assert (await ada.hear("state"))["names"] == ["Ada"]
        async with page(app, "Bob") as bob:
            state = await bob.hear("state")
            await ada.hears("joined", "Bob")
            await bob.say(" <b>hello</b>\n")
            message = await ada.hear("message")
            assert await bob.hear("message") == message
        await ada.hears("left", "Bob")
    assert {**state, "names": sorted(state["names"])} == {
        "type": "state",
        "room": "lobby",
        "you": "Bob",
        "names": ["Ada", "Bob"],
        "messages": [],
    }
    assert (message["name"], message["text"]) == ("Bob", "<b>hello</b>")


async def test_rooms_are_apart(broker: Broker) -> None:
    async with (
        make_app(broker) as app,
        page(app, "Ada", "one") as ada,
        page(app, "Ada", "two") as other,
    ):
        await ada.hear("state")
        assert (await other.hear("state"))["names"] == ["Ada"]
        await other.say("in two")
        await ada.say("in one")
        await ada.hears("message", "in one")
        await other.hears("message", "in two")


async def test_history(broker: Broker) -> None:
    async with make_app(broker) as app:
        async with page(app, "Ada") as ada:
            await ada.hear("state")
            for text in ("one", "two", "three", "four"):
                await ada.say(text)
            await ada.hears("message", "one", "two", "three", "four")
        async with page(app, "Bob") as bob:
            state = await bob.hear("state")
    assert [message["text"] for message in state["messages"]] == ["two", "three", "four"]
    assert state["names"] == ["Bob"]


@pytest.mark.parametrize("name", ["Ada", "ADA", " a\N{FULLWIDTH LATIN SMALL LETTER D}a\t"])
async def test_a_name_that_is_taken(broker: Broker, name: str) -> None:
    async with make_app(broker) as app, page(app, "ada") as ada:
        await ada.hear("state")
        async with page(app, name, token="somebody-else-16") as other:
            assert await other.closed() == (4409, "the name is taken")
        async with page(app, "Bob"):
            await ada.hears("joined", "Bob")


async def test_a_page_that_connects_again_has_its_name_back(broker: Broker) -> None:
    async with make_app(broker) as app, page(app, "Bob") as bob, page(app, "Ada") as before:
        await before.hear("state")
        await bob.hear("state")
        await bob.hears("joined", "Ada")
        async with page(app, "Ada") as after:
            assert sorted((await after.hear("state"))["names"]) == ["Ada", "Bob"]
            assert await before.closed() == (4410, "opened in another window")
            await after.say("still here")
            # The others did not notice.
            await bob.hears("message", "still here")


async def test_a_room_that_is_full(broker: Broker) -> None:
    async with (
        make_app(broker) as app,
        page(app, "one") as one,
        page(app, "two") as two,
        page(app, "three") as three,
    ):
        for each in (one, two, three):
            await each.hear("state")
        async with page(app, "four") as four:
            assert await four.closed() == (4403, "the room is full")


async def test_shutdown(broker: Broker) -> None:
    async with make_app(broker) as app, contextlib.AsyncExitStack() as stack:
        pages = [await stack.enter_async_context(page(app, name)) for name in ("Ada", "Bob")]
        for each in pages:
            await each.hear("state")
        await app.shutdown()
        assert [await each.closed() for each in pages] == [(1001, "the server stops")] * 2


# What a page may do


async def test_a_text_that_is_too_long() -> None:
    limits = Limits(text=5)
    async with make_app(MemoryBroker(), limits) as app, page(app, "Ada") as ada:
        await ada.hear("state")
        await ada.say("too long")
        refused = await ada.hear("refused")
        await ada.say("short")
        await ada.hears("message", "short")
    assert refused == {"type": "refused", "text": "too long", "reason": "longer than 5 characters"}


async def test_too_fast() -> None:
    limits = Limits(burst=2, per_second=0, refusals=2)
    async with make_app(MemoryBroker(), limits) as app, page(app, "Ada") as ada:
        await ada.hear("state")
        for number in range(5):
            await ada.say(f"message {number}")
        await ada.hears("message", "message 0", "message 1")
        assert (await ada.hear("refused"))["reason"] == "too many messages at once"
        assert await ada.closed() == (1008, "too many messages at once")


def test_the_allowance_grows_again() -> None:
    now = 0.0
    allowance = Allowance(2, 0.5, clock=lambda: now)
    assert [allowance.take() for _ in range(3)] == [True, True, False]
    now = 2.0
    assert [allowance.take() for _ in range(2)] == [True, False]
    now = 100.0
    assert [allowance.take() for _ in range(3)] == [True, True, False]


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("x", 4400),
        ("[" * 10_000, 4400),
        ("[]", 4400),
        ("{}", 4400),
        (encoded("say", text="first"), 4400),
        (encoded("join", name="Ada"), 4400),
        (encoded("join", name=1, token="x" * 16), 4400),
        (encoded("join", name="Ada", token="x" * 15), 4400),
        (encoded("join", name="Ada", token="ü" * 16), 4400),
        (encoded("join", name=" \n", token="x" * 16), 4400),
        (encoded("join", name="x" * 25, token="x" * 16), 4400),
        (encoded("join", name="a\u202eb", token="x" * 16), 4400),
        (encoded("join", name="\ud800", token="x" * 16), 4400),
        ("x" * 20_000, 1009),
        (b"{}", 1003),
    ],
)
async def test_what_is_no_join(message: str | bytes, code: int) -> None:
    async with make_app(MemoryBroker()) as app, testing.websocket(app, "/rooms/lobby") as ws:
        await (ws.send_str(message) if isinstance(message, str) else ws.send_bytes(message))
        assert (await ws.receive()).data == code


@pytest.mark.parametrize("message", ["x", encoded("join", name="Ada", token="x" * 16), encoded("say", text=1)])
async def test_what_is_not_said(message: str) -> None:
    async with make_app(MemoryBroker()) as app, page(app, "Ada") as ada, page(app, "Bob") as bob:
        await ada.hear("state")
        await ada.hears("joined", "Bob")
        await bob.ws.send_str(message)
        await ada.hears("left", "Bob")
        assert (await bob.closed())[0] == 4400


async def test_text_without_anything_in_it() -> None:
    async with make_app(MemoryBroker()) as app, page(app, "Ada") as ada:
        await ada.hear("state")
        for text in (" \n ", "\0", "\ud800", "a\0\tb\ud800\n\N{PILE OF POO}"):
            await ada.say(text)
        await ada.hears("message", "a\tb\n\N{PILE OF POO}")


async def test_who_never_joins() -> None:
    async with make_app(MemoryBroker(), Limits(join=0.001)) as app, testing.websocket(app, "/rooms/lobby") as ws:
        assert (await ws.receive()).data == 4408


async def test_a_page_of_another_site() -> None:
    headers = {"Host": "chat.example", "Origin": "https://evil.example"}
    async with make_app(MemoryBroker()) as app:
        with pytest.raises(testing.WebSocketDenied, match="403"):
            async with testing.websocket(app, "/rooms/lobby", headers=headers):
                pass
        async with testing.websocket(app, "/rooms/lobby", headers={**headers, "Origin": "https://chat.example"}):
            pass


class Held:
    """The chat, on a connection of which nothing is taken until the test lets it go."""

    def __init__(self, app: web.Application) -> None:
        self.app = app
        self.taken = asyncio.Event()
        self.taken.set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def send_when_taken(message: Any) -> None:
            await self.taken.wait()
            await send(message)

        await self.app(scope, receive, send_when_taken)


@pytest.mark.parametrize("takes_the_close", [True, False])
async def test_a_slow_page_is_dropped_and_holds_up_nobody(takes_the_close: bool) -> None:
    limits = Limits(queue=3, burst=100, closing=PATIENCE if takes_the_close else 0.001)
    async with make_app(MemoryBroker(), limits) as app, page(app, "Ada") as ada:
        held = Held(app)
        async with testing.websocket(held, "/rooms/lobby") as slow:
            await ada.hear("state")
            await slow.send_str(encoded("join", name="Bob", token="x" * 16))
            assert (await slow.receive_json())["type"] == "state"
            await ada.hears("joined", "Bob")
            held.taken.clear()
            texts = [f"message {number}" for number in range(5)]
            for text in texts:
                await ada.say(text)
                await ada.hears("message", text)
            await ada.hears("left", "Bob")
            if takes_the_close:
                held.taken.set()
                assert await Page(slow).closed() == (1013, "too slow")
                assert slow.close_code == 1013


async def test_empty_rooms_are_forgotten() -> None:
    broker = MemoryBroker(rooms=2)
    async with make_app(broker, Limits(burst=100)) as app, page(app, "Ada", "kept") as ada:
        await ada.hear("state")
        for room in ("one", "two", "three"):
            async with page(app, "Bob", room) as bob:
                await bob.hear("state")
                await bob.say(room)
                await bob.hear("message")
        async with page(app, "Bob", "one") as bob:
            assert (await bob.hear("state"))["messages"] == []
        await ada.say("still here")
        await ada.hears("message", "still here")


# Its pages


async def test_the_page() -> None:
    async with (
        make_app(MemoryBroker()) as app,
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://example") as http,
    ):
        start = await http.get("/")
        room = await http.get(start.headers["Location"])
        script = await http.get("/static/chat.js")
        no_room = await http.get("/rooms/Lobby!")
    assert room.status_code == 200
    assert "script-src 'self'" in room.headers["Content-Security-Policy"]
    assert "innerHTML =" not in script.text
    assert (script.status_code, no_room.status_code) == (200, 404)


# The same program on other servers


async def talk_over(address: str) -> list[str]:
    """What two aiohttp clients are told."""
    url = f"{address}/rooms/lobby"
    async with aiohttp.ClientSession() as http, http.ws_connect(url) as ada, http.ws_connect(url) as bob:
        heard = []
        for ws, name in ((ada, "Ada"), (bob, "Bob")):
            await ws.send_str(encoded("join", name=name, token=name * 8))
            heard.append((await ws.receive_json())["type"])
        await bob.send_str(encoded("say", text="hello"))
        heard += [(await ada.receive_json())["type"], (await ada.receive_json())["text"]]
        await bob.close()
        heard.append((await ada.receive_json())["type"])
        return heard


TALK = ["state", "state", "joined", "hello", "left"]


async def test_served_by_uvicorn() -> None:
    async with UvicornBackend().serve(make_app(MemoryBroker())) as (host, port):
        assert await talk_over(f"http://{host}:{port}") == TALK


async def test_a_client_of_uvicorn_that_reads_nothing() -> None:
    """Its socket's buffers fill up, then the server's, then the queue."""
    limits = Limits(message_size=2**20, text=200_000, burst=1000, queue=4, closing=0.01)
    async with UvicornBackend().serve(make_app(MemoryBroker(), limits)) as (host, port):
        reader, writer = await asyncio.open_connection(host, port, limit=1024)
        writer.write(
            b"GET /rooms/lobby HTTP/1.1\r\nHost: %b\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n" % host.encode()
        )
        await reader.readuntil(b"\r\n\r\n")
        join = encoded("join", name="Bob", token="x" * 16).encode()
        writer.write(bytes([0x81, 0x80 | len(join), 0, 0, 0, 0]) + join)
        await reader.readuntil(b'"state"')
        url = f"http://{host}:{port}/rooms/lobby"
        async with aiohttp.ClientSession() as http, http.ws_connect(url, max_msg_size=2**20) as ada:
            await ada.send_str(encoded("join", name="Ada", token="y" * 16))
            assert (await ada.receive_json())["names"] == ["Ada", "Bob"]
            event = {"type": "message"}
            while event["type"] == "message":
                await ada.send_str(encoded("say", text="x" * 200_000))
                event = await ada.receive_json()
            assert event == {"type": "left", "name": "Bob"}
        writer.close()


async def test_the_same_program_on_aiohttp() -> None:
    """Its import and the check of the Origin, which aiohttp leaves to programs, are all that changes."""
    sources = {}
    for name in ("client", "application"):
        source = (PROJECT / "examples" / "chat" / f"{name}.py").read_text(encoding="utf-8")
        sources[name] = source.replace("from framework import web", "from aiohttp import web")
    sources["application"] = sources["application"].replace(', allowed_origins=["self"]', "")
    sources["application"] = sources["application"].replace("examples.chat.client", "chat_client")
    modules = {}
    for name, source in sources.items():
        modules[name] = module = types.ModuleType(f"chat_{name}")
        module.__file__ = str(PROJECT / "examples" / "chat" / f"{name}.py")
        sys.modules[module.__name__] = module
        exec(compile(source, module.__file__, "exec"), module.__dict__)
    try:
        async with AiohttpBackend().serve(modules["application"].make_app(MemoryBroker())) as (host, port):
            assert await talk_over(f"http://{host}:{port}") == TALK
            async with httpx.AsyncClient(base_url=f"http://{host}:{port}", trust_env=False) as http:
                assert (await http.get("/rooms/lobby")).status_code == 200
    finally:
        for module in modules.values():
            del sys.modules[module.__name__]


# Several processes


async def test_two_applications_over_one_redis(redis: RedisServer) -> None:
    one, two = (make_app(RedisBroker(redis.url)) for _ in range(2))
    async with one, two, page(one, "Ada") as ada:
        await ada.hear("state")
        await ada.say("before")
        await ada.hear("message")
        async with page(two, "Bob") as bob:
            state = await bob.hear("state")
            assert (state["names"], [message["text"] for message in state["messages"]]) == (["Ada", "Bob"], ["before"])
            await ada.hears("joined", "Bob")
            await bob.say("from afar")
            assert await ada.hear("message") == await bob.hear("message")
            async with page(two, "ADA", token="x" * 16) as other:
                assert await other.closed() == (4409, "the name is taken")
            # The same page, at another worker.
            async with page(two, "Ada") as again:
                assert (await again.hear("state"))["names"] == ["Ada", "Bob"]
                assert (await ada.closed())[0] == 4410
                await bob.say("who is there?")
                await again.hears("message", "who is there?")
            await bob.hears("message", "who is there?")
            await bob.hears("left", "Ada")


async def test_messages_of_many_have_one_order(redis: RedisServer) -> None:
    apps = [make_app(RedisBroker(redis.url), Limits(burst=100)) for _ in range(2)]
    names = [f"page {number}" for number in range(6)]
    async with contextlib.AsyncExitStack() as stack:
        for app in apps:
            await stack.enter_async_context(app)
        pages = [
            await stack.enter_async_context(page(apps[number % 2], name, "order")) for number, name in enumerate(names)
        ]
        for number, each in enumerate(pages):
            await each.hear("state")
            for earlier in pages[:number]:
                await earlier.hears("joined", names[number])
        await asyncio.gather(*(each.say(f"{number}") for number, each in enumerate(pages) for _ in range(5)))
        heard = [[(await each.hear("message"))["text"] for _ in range(30)] for each in pages]
    assert sorted(heard[0]) == sorted(str(number) for number in range(6) for _ in range(5))
    assert heard == [heard[0]] * 6


async def test_a_redis_that_goes_away_and_comes_back_empty(redis: RedisServer) -> None:
    app = make_app(RedisBroker(redis.url, patience=1.0), Limits(burst=100))
    async with app, page(app, "Ada") as ada, page(app, "Bob") as bob:
        await ada.hear("state")
        await bob.hear("state")
        await ada.hears("joined", "Bob")
        redis.stop()
        try:
            await ada.say("lost")
            refused = await ada.hear("refused")
            async with page(app, "Eve", "elsewhere") as eve:
                assert await eve.closed() == (1013, "the rooms cannot be reached")
        finally:
            redis.start()
        assert (refused["text"], refused["reason"]) == ("lost", "the rooms cannot be reached at the moment")
        for each in (ada, bob):
            while (event := await each.next_event())["type"] != "state" or event["names"] != ["Ada", "Bob"]:
                assert event["type"] in {"state", "joined"}
        await ada.say("found")
        while (event := await bob.next_event())["type"] != "message":
            assert event["type"] in {"state", "joined"}
        assert event["text"] == "found"


async def test_what_was_said_while_the_connection_was_broken(redis: RedisServer) -> None:
    one, two = (make_app(RedisBroker(redis.url)) for _ in range(2))
    async with one, two, page(one, "Ada") as ada, page(two, "Bob") as bob:
        await bob.hear("state")
        await ada.hear("state")
        with Redis.from_url(redis.url) as admin:
            admin.client_kill_filter(_type="pubsub")
        await bob.say("did you hear?")
        texts: set[str] = set()
        while "did you hear?" not in texts:
            event = await ada.next_event()
            texts |= {event.get("text", "")} | {message["text"] for message in event.get("messages", [])}


async def test_an_emptied_redis(redis: RedisServer) -> None:
    app = make_app(RedisBroker(redis.url, alive=0.3))
    async with app, page(app, "Ada") as ada, page(app, "Bob") as bob:
        await bob.hear("state")
        await ada.hear("state")
        redis.flush()
        while (event := await ada.next_event())["type"] != "state":
            pass
        assert "Ada" in event["names"]
        await ada.say("anybody?")
        while (event := await bob.next_event())["type"] != "message":
            pass
        assert event["text"] == "anybody?"


WORKER = """
import sys
from examples.chat import make_app
from examples.chat.redis_broker import RedisBroker
from framework import web
web.run_app(make_app(RedisBroker(sys.argv[1], alive=1.0)), host="127.0.0.1", port=int(sys.argv[2]))
"""


@asynccontextmanager
async def process(
    *command: str, port: int, **environment: str
) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """A server in a process, once it answers; gives its address as well."""
    worker = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        cwd=PROJECT,
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        async with asyncio.timeout(PATIENCE), httpx.AsyncClient(trust_env=False) as http:
            while True:
                with contextlib.suppress(httpx.TransportError):
                    await http.get(f"{address}/rooms/lobby")
                    break
                assert worker.returncode is None
                await asyncio.sleep(0.05)
        yield worker, address
    finally:
        if worker.returncode is None:
            worker.terminate()
        await asyncio.wait_for(worker.wait(), PATIENCE)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


async def test_a_worker_that_dies(redis: RedisServer) -> None:
    port = free_port()
    app = make_app(RedisBroker(redis.url))
    async with (
        app,
        page(app, "Ada") as ada,
        process("-c", WORKER, redis.url, str(port), port=port) as (worker, address),
        aiohttp.ClientSession() as http,
        http.ws_connect(f"{address}/rooms/lobby") as ws,
    ):
        await ada.hear("state")
        await ws.send_str(encoded("join", name="Bob", token="x" * 16))
        await ada.hears("joined", "Bob")
        worker.send_signal(signal.SIGKILL)
        names = ["Bob"]
        while "Bob" in names:
            async with page(app, "Eve") as eve:
                names = (await eve.hear("state"))["names"]
        while (event := await ada.next_event()) != {"type": "left", "name": "Bob"}:
            assert event["name"] == "Eve"


async def test_two_workers_of_uvicorn(redis: RedisServer) -> None:
    port = free_port()
    command = ("-m", "uvicorn", "--workers", "2", "--port", str(port), "--log-level", "warning", "examples.chat:app")
    async with (
        process(*command, port=port, REDIS_URL=redis.url) as (_, address),
        aiohttp.ClientSession() as http,
        contextlib.AsyncExitStack() as stack,
    ):
        sockets = []
        for number in range(6):
            ws = await stack.enter_async_context(http.ws_connect(f"{address}/rooms/workers"))
            await ws.send_str(encoded("join", name=f"page {number}", token="x" * 16))
            assert (await ws.receive_json())["type"] == "state"
            sockets.append(ws)
        await sockets[0].send_str(encoded("say", text="to all"))
        for ws in sockets:
            while (event := await ws.receive_json())["type"] != "message":
                assert event["type"] == "joined"
            assert event["text"] == "to all"


async def test_without_redis_at_the_start(redis: RedisServer) -> None:
    redis.stop()
    app = make_app(RedisBroker(redis.url, patience=0.2))
    try:
        async with app:
            async with page(app, "Ada") as ada:
                assert await ada.closed() == (1013, "the rooms cannot be reached")
            redis.start()
            while True:
                async with page(app, "Ada") as ada:
                    if not ada.ws.closed:
                        break
    finally:
        redis.stop()
        redis.start()


async def test_the_broker_is_chosen_by_its_url() -> None:
    from examples.chat import broker_for

    assert isinstance(broker_for(None), MemoryBroker)
    broker = broker_for("redis://localhost:1")
    assert isinstance(broker, RedisBroker)
    await broker.close()


async def test_a_mistake_of_the_program_is_not_hidden() -> None:
    class Broken(MemoryBroker):
        async def join(self, room: str, member: Any) -> None:
            raise ZeroDivisionError

    errors: list[str] = []

    @web.middleware
    async def note(request: web.Request, handler: Any) -> Any:
        try:
            return await handler(request)
        except ZeroDivisionError as exc:
            errors.append(repr(exc))
            raise

    app = make_app(Broken())
    app.middlewares.append(note)
    with contextlib.suppress(ZeroDivisionError):
        async with app, page(app, "Ada") as ada:
            await ada.closed()
    assert errors == ["ZeroDivisionError()"]

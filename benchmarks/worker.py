"""One framework in a process of its own: `python -m benchmarks.worker PEER`, told over its standard input what to do.

Requests and replies are lines of JSON. The commands: `prepare` a workload (build the application, start it, check its
answers), `run` it for so many seconds, `drop` the application.
"""

from __future__ import annotations

import asyncio
import base64
import gc
import importlib
import itertools
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.apps import UnsupportedError
from benchmarks.workloads import DISTINCT_REQUESTS, Workload, find

# Requests whose scopes are made before the clock starts: few, so that they are still in the processor's cache.
BATCH = 64
# The slowest (a linear scan of 10,000 routes takes milliseconds) get smaller batches, of so many seconds.
BATCH_SECONDS = 0.005
WARM_UP_BATCHES = 3
CHECKED_REQUESTS = 3
MESSAGE_SIZE = 64 * 1024
# For a peer that waits for a message that never comes.
PATIENCE = 5.0

Message = dict[str, Any]


def fresh(text: str) -> str:
    """An equal string whose hash nobody has computed yet, as a server makes one for every request."""
    return text.encode().decode()


def is_last(message: Message) -> bool:
    return message["type"] == "http.response.body" and not message.get("more_body")


class Client:
    """The server's side of the ASGI channel. Nothing in it suspends, until it is asked for more than there is."""

    messages: Iterator[Message]
    sent: Message | None
    waiter: asyncio.Future[Message] | None

    def __init__(self, workload: Workload) -> None:
        self.workload = workload
        self.begin(iter(()))
        self.receives = 0
        self.waits = 0
        headers: list[tuple[bytes, bytes]] = [
            (b"host", b"127.0.0.1:8080"),
            (b"user-agent", b"benchmark/1.0"),
            (b"accept", b"*/*"),
            (b"accept-encoding", b"gzip, deflate"),
        ]
        if workload.body:
            headers.append((b"content-type", workload.content_type.encode()))
        self.headers = headers
        self.targets = [workload.target(number).partition("?") for number in range(DISTINCT_REQUESTS)]
        self.bodies = [workload.body_bytes(number) for number in range(workload.distinct_bodies)]

    def scope(self, number: int, state: Message) -> Message:
        """What uvicorn passes for this request, made anew in all its parts."""
        path, _, query = self.targets[number]
        headers = [(bytes(bytearray(name)), bytes(bytearray(value))) for name, value in self.headers]
        if self.workload.body:
            headers.append((b"content-length".lower(), b"%d" % len(self.bodies[number % len(self.bodies)])))
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "server": ("127.0.0.1", 8080),
            "client": ("127.0.0.1", 50000),
            "scheme": "http",
            "root_path": "",
            "headers": headers,
            "state": state.copy(),
            "method": fresh(self.workload.method),
            "path": fresh(path),
            "raw_path": path.encode(),
            "query_string": query.encode(),
        }

    def request(self, number: int) -> Iterator[Message]:
        """The body, in messages of the size that servers read from a socket."""
        body = self.bodies[number % len(self.bodies)]
        pieces = [body[start : start + MESSAGE_SIZE] for start in range(0, len(body), MESSAGE_SIZE)] or [b""]
        last = len(pieces) - 1
        return iter(
            [{"type": "http.request", "body": piece, "more_body": index < last} for index, piece in enumerate(pieces)]
        )

    def begin(self, messages: Iterator[Message]) -> None:
        """Makes these the messages of the next request."""
        self.messages = messages
        self.sent = None
        self.waiter = None

    async def receive(self) -> Message:
        self.receives += 1
        message = next(self.messages, None)
        if message is not None:
            return message
        self.waits += 1
        if self.sent is not None and is_last(self.sent):
            return {"type": "http.disconnect"}
        # The whole request has been read and the client says nothing more: a peer that asks again waits, as it would
        # for a real client, until it cancels itself or has sent its response.
        self.waiter = asyncio.get_running_loop().create_future()
        return await self.waiter

    async def send(self, message: Message) -> None:
        self.sent = message
        if self.waiter is not None and is_last(message) and not self.waiter.done():
            self.waiter.set_result({"type": "http.disconnect"})


class SocketClient(Client):
    """The same for a WebSocket, whose client leaves when all that it said has come back."""

    def scope(self, number: int, state: Message) -> Message:
        scope = super().scope(number, state)
        del scope["method"]
        scope["headers"] += [
            (b"upgrade", b"websocket"),
            (b"connection", b"Upgrade"),
            (b"sec-websocket-version", b"13"),
            (b"sec-websocket-key", base64.b64encode(b"%016d" % number)),
        ]
        return scope | {
            "type": "websocket",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "scheme": "ws",
            "subprotocols": [],
            "extensions": {"websocket.http.response": {}},
        }

    def request(self, number: int) -> Iterator[Message]:
        kind = "bytes" if isinstance(self.workload.body, bytes) else "text"
        messages = [
            {"type": "websocket.receive", kind: self.workload.message(number + index)}
            for index in range(self.workload.messages)
        ]
        return iter([{"type": "websocket.connect"}, *messages])

    def begin(self, messages: Iterator[Message]) -> None:
        super().begin(messages)
        # The first one is sent to accept.
        self.left = self.workload.messages + 1

    async def receive(self) -> Message:
        message = next(self.messages, None)
        if message is not None:
            return message
        disconnect = {"type": "websocket.disconnect", "code": 1000, "reason": ""}
        if self.left > 0:
            # It reads ahead of what it sends.
            self.waiter = asyncio.get_running_loop().create_future()
            await self.waiter
        return disconnect

    async def send(self, message: Message) -> None:
        self.left -= 1
        if self.left == 0 and self.waiter is not None:
            self.waiter.set_result({})


class Lifespan:
    """Runs the lifespan protocol for an application that speaks it."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.state: Message = {}
        self.inbox: asyncio.Queue[Message] = asyncio.Queue()
        self.outbox: asyncio.Queue[Message] = asyncio.Queue()
        self.task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        self.inbox.put_nowait({"type": "lifespan.startup"})
        self.task = asyncio.ensure_future(self.app(scope, self.inbox.get, self.outbox.put))
        answer = asyncio.ensure_future(self.outbox.get())
        await asyncio.wait({self.task, answer}, return_when=asyncio.FIRST_COMPLETED)
        if answer.done():
            message = answer.result()
            if message["type"] != "lifespan.startup.complete":
                raise RuntimeError(f"startup failed: {message.get('message')}")
        else:
            # Raising says that the application does not speak the protocol.
            answer.cancel()
            self.task.exception()
            self.task = None

    async def stop(self) -> None:
        if self.task is not None:
            self.inbox.put_nowait({"type": "lifespan.shutdown"})
            await asyncio.wait({self.task}, timeout=PATIENCE)
            self.task.cancel()


def build(module: Any, workload: Workload) -> Any:
    if workload.route_count:
        return module.routes(workload.templates())
    if workload.name == "middlewares":
        return module.middlewares()
    return module.app(workload.name)


class Bench:
    def __init__(self, peer: str) -> None:
        self.module = importlib.import_module(f"benchmarks.apps.{peer}_app")
        self.app: Any = None
        self.app_key = ""
        self.lifespan: Lifespan | None = None
        self.client: Client | None = None
        self.numbers: Iterator[int] = iter(())
        self.batch = BATCH
        # What is counted: messages, where requests have several.
        self.per_request = 1

    async def prepare(self, name: str) -> Message:
        workload = find(name)
        if workload.app_key != self.app_key:
            await self.drop()
            self.app = build(self.module, workload)
            self.app_key = workload.app_key
            self.lifespan = Lifespan(self.app)
            await self.lifespan.start()
        self.client = SocketClient(workload) if workload.messages else Client(workload)
        durations = []
        for number in range(CHECKED_REQUESTS):
            start = time.perf_counter()
            await self.check(number)
            durations.append(time.perf_counter() - start)
        self.per_request = max(1, workload.messages)
        self.batch = max(1, min(BATCH // self.per_request, round(BATCH_SECONDS / min(durations))))
        self.numbers = itertools.cycle(range(DISTINCT_REQUESTS))
        return {"receives": self.client.receives / CHECKED_REQUESTS, "waits": self.client.waits / CHECKED_REQUESTS}

    async def check(self, number: int) -> None:
        assert self.client is not None
        assert self.lifespan is not None
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)
            await client.send(message)

        client = self.client
        scope = client.scope(number, self.lifespan.state)
        client.begin(client.request(number))
        try:
            await asyncio.wait_for(self.app(scope, self.client.receive, send), PATIENCE)
        except TimeoutError:
            raise AssertionError("waits for a message after the whole body") from None
        if client.workload.messages:
            self.check_echo(number, sent)
            return
        assert [message["type"] for message in sent[:1]] == ["http.response.start"], f"sent {sent!r}"
        headers = {bytes(name).lower(): bytes(value) for name, value in sent[0].get("headers", ())}
        body = b"".join(message.get("body", b"") for message in sent[1:])
        self.client.workload.check(number, sent[0]["status"], headers.get(b"content-type", b"").decode(), body)
        assert headers.get(b"content-length", b"%d" % len(body)) == b"%d" % len(body), "wrong content-length"
        if wanted := self.client.workload.pieces:
            pieces = sum(bool(message.get("body")) for message in sent[1:])
            assert pieces == wanted, f"{pieces} pieces, not {wanted}"

    def check_echo(self, number: int, sent: list[Message]) -> None:
        assert self.client is not None
        assert [message["type"] for message in sent[:1]] == ["websocket.accept"], f"sent {sent[:3]!r}"
        workload = self.client.workload
        kind = "bytes" if isinstance(workload.body, bytes) else "text"
        echoes = [message.get(kind) for message in sent if message["type"] == "websocket.send"]
        assert echoes == [workload.message(number + index) for index in range(workload.messages)], "no echo"

    async def run(self, seconds: float) -> Message:
        """Answers requests until so many seconds are spent in the application."""
        client, lifespan, app, clock = self.client, self.lifespan, self.app, time.perf_counter
        assert client is not None
        assert lifespan is not None
        receive, send = client.receive, client.send
        gc.collect()
        spent = 0.0
        requests = -WARM_UP_BATCHES * self.batch
        while spent < seconds:
            batch = [
                (client.scope(number, lifespan.state), client.request(number))
                for number in itertools.islice(self.numbers, self.batch)
            ]
            start = clock()
            for scope, messages in batch:
                client.begin(messages)
                await app(scope, receive, send)
            # What an application has put off to the loop is part of its cost.
            await asyncio.sleep(0)
            if requests >= 0:
                spent += clock() - start
            requests += self.batch
        return {"us": spent / (requests * self.per_request) * 1e6, "requests": requests}

    async def drop(self) -> Message:
        if self.lifespan is not None:
            await self.lifespan.stop()
        self.app = self.lifespan = self.client = None
        self.app_key = ""
        gc.collect()
        return {}

    async def serve(self, read: Callable[[], str], write: Callable[[Message], None]) -> None:
        # Reading blocks the loop on purpose: nothing runs here while another framework is being measured.
        while line := read():
            command = json.loads(line)
            try:
                match command["do"]:
                    case "prepare":
                        reply = await self.prepare(command["workload"])
                    case "run":
                        reply = await self.run(command["seconds"])
                    case _:
                        reply = await self.drop()
            except UnsupportedError as error:
                reply = {"unsupported": str(error)}
            except Exception as error:
                reply = {"error": f"{type(error).__name__}: {error}", "traceback": traceback.format_exc()}
            write(reply)
        await self.drop()


def main() -> None:
    peer, loop = sys.argv[1:3]
    # Whatever a framework prints goes to standard error, so that the replies stay readable.
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def write(reply: Message) -> None:
        replies.write(json.dumps(reply) + "\n")
        replies.flush()

    try:
        bench = Bench(peer)
    except Exception as error:
        write({"error": f"{type(error).__name__}: {error}", "traceback": traceback.format_exc()})
        return
    write({})
    factory = None
    if loop == "uvloop":
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(bench.serve(sys.stdin.readline, write))


if __name__ == "__main__":
    main()

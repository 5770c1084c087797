"""No framework: what an application costs that is written against ASGI by hand, and does no more than it must."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from benchmarks.workloads import GREETING, SERVED, STREAM, static_folder

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

TEXT = (b"content-type", b"text/plain; charset=utf-8")
JSON = (b"content-type", b"application/json")
OCTETS = (b"content-type", b"application/octet-stream")

encode = msgspec.json.encode
decode = msgspec.json.decode


async def answer(send: Send, content_type: tuple[bytes, bytes], body: bytes) -> None:
    headers = [content_type, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def read(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return body


async def text(scope: Scope, receive: Receive, send: Send) -> None:
    await answer(send, TEXT, GREETING.encode())


async def json(scope: Scope, receive: Receive, send: Send) -> None:
    await answer(send, JSON, encode({"message": GREETING}))


async def params(scope: Scope, receive: Receive, send: Send) -> None:
    _, _, user, _, post = scope["path"].split("/")
    await answer(send, TEXT, f"{user} {post}".encode())


async def query(scope: Scope, receive: Receive, send: Send) -> None:
    values = dict(parse_qsl(scope["query_string"].decode()))
    await answer(send, TEXT, f"{values['q']} {values['page']}".encode())


async def json_echo(scope: Scope, receive: Receive, send: Send) -> None:
    await answer(send, JSON, encode(decode(await read(receive))))


async def form(scope: Scope, receive: Receive, send: Send) -> None:
    fields = dict(parse_qsl((await read(receive)).decode()))
    await answer(send, TEXT, f"{fields['name']} {fields['email']} {fields['comment']}".encode())


async def upload(scope: Scope, receive: Receive, send: Send) -> None:
    # A body of this size is parsed fastest when it is whole.
    body = await read(receive)
    content_type = next(value for name, value in scope["headers"] if name == b"content-type")
    delimiter = b"\r\n--" + content_type.partition(b"boundary=")[2]
    fields = {}
    filename, content = "", b""
    for part in (b"\r\n" + body).split(delimiter)[1:-1]:
        head, _, value = part.partition(b"\r\n\r\n")
        name = head.partition(b'name="')[2].partition(b'"')[0].decode()
        if b"filename=" in head:
            filename, content = head.partition(b'filename="')[2].partition(b'"')[0].decode(), value
        else:
            fields[name] = value.decode()
    await answer(send, TEXT, f"{filename} {len(content)} {fields['title']}, {fields['album']}".encode())


async def stream(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [TEXT]})
    for chunk in STREAM:
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def static(scope: Scope, receive: Receive, send: Send) -> None:
    name = scope["path"].rpartition("/")[2]
    # In the event loop, which would wait for the disk if the file were not in memory.
    with (static_folder() / name).open("rb", buffering=0) as file:
        content = file.read()
    await answer(send, OCTETS, content)


async def chat(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})


async def blobs(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "bytes": message["bytes"]})


async def resource(scope: Scope, receive: Receive, send: Send) -> None:
    await answer(send, TEXT, scope["path"].rpartition("/")[2].encode())


HANDLERS: dict[str, tuple[str, App]] = {
    "text": ("", text),
    "json": ("json", json),
    "params": ("users", params),
    "query": ("search", query),
    "json-echo": ("echo", json_echo),
    "form": ("form", form),
    "upload": ("upload", upload),
    "stream": ("stream", stream),
    "static-1k": ("static", static),
    "static-1m": ("static", static),
    "ws-text": ("chat", chat),
    "ws-open": ("chat", chat),
    "ws-binary": ("blobs", blobs),
}


def app(*workloads: str) -> App:
    table = dict(HANDLERS[name] for name in workloads if name in HANDLERS)

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            raise NotImplementedError(scope["type"])
        await table[scope["path"].split("/", 2)[1]](scope, receive, send)

    return application


def middlewares() -> App:
    def middleware(inner: App) -> App:
        async def outer(scope: Scope, receive: Receive, send: Send) -> None:
            await inner(scope, receive, send)

        return outer

    application = app("text")
    for _ in range(5):
        application = middleware(application)
    return application


def routes(templates: list[str]) -> App:
    table = {template.replace("{tenant}/", "").split("/")[1]: resource for template in templates}

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise NotImplementedError(scope["type"])
        await table[scope["path"].split("/")[-2]](scope, receive, send)

    return application


def served() -> App:
    return app(*SERVED)

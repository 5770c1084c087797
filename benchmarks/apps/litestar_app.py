"""Litestar: typed handlers, msgspec for JSON, no OpenAPI document."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from litestar import Litestar, MediaType, Request, WebSocket, get, post, websocket
from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.response import Stream
from litestar.static_files import create_static_files_router
from litestar.types import ASGIApp, Receive, Scope, Send

from benchmarks.workloads import GREETING, SERVED, STREAM, has_static, static_folder


@get("/", media_type=MediaType.TEXT)
async def text() -> str:
    return GREETING


@get("/json")
async def json() -> dict[str, str]:
    return {"message": GREETING}


@get("/users/{id:str}/posts/{post:str}", media_type=MediaType.TEXT)
async def params(id: str, post: str) -> str:
    return f"{id} {post}"


@get("/search", media_type=MediaType.TEXT)
async def query(q: str, page: str) -> str:
    return f"{q} {page}"


@post("/echo", status_code=200)
async def json_echo(request: Request[Any, Any, Any]) -> dict[str, Any]:
    return await request.json()


@post("/form", status_code=200, media_type=MediaType.TEXT)
async def form(request: Request[Any, Any, Any]) -> str:
    fields = await request.form()
    return f"{fields['name']} {fields['email']} {fields['comment']}"


@post("/upload", status_code=200, media_type=MediaType.TEXT)
async def upload(request: Request[Any, Any, Any]) -> str:
    fields = await request.form()
    upload = fields["file"]
    content = await upload.read()
    return f"{upload.filename} {len(content)} {fields['title']}, {fields['album']}"


async def chunks() -> AsyncIterator[bytes]:
    for chunk in STREAM:
        yield chunk


@get("/stream", media_type=MediaType.TEXT)
async def stream() -> Stream:
    return Stream(chunks())


# A `websocket_listener` costs more: it decodes and encodes what it is annotated with.
@websocket("/chat")
async def chat(socket: WebSocket[Any, Any, Any]) -> None:
    await socket.accept()
    async for text in socket.iter_data("text"):
        await socket.send_text(text)


@websocket("/blobs")
async def blobs(socket: WebSocket[Any, Any, Any]) -> None:
    await socket.accept()
    async for data in socket.iter_data("binary"):
        await socket.send_bytes(data)


ROUTES = {
    "text": text,
    "json": json,
    "params": params,
    "query": query,
    "json-echo": json_echo,
    "form": form,
    "upload": upload,
    "stream": stream,
    "ws-text": chat,
    "ws-open": chat,
    "ws-binary": blobs,
}


class PassThrough(ASGIMiddleware):
    scopes = (ScopeType.HTTP,)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        await next_app(scope, receive, send)


def app(*workloads: str) -> Litestar:
    handlers: list[Any] = [ROUTES[name] for name in workloads if name in ROUTES]
    if has_static(workloads):
        handlers.append(create_static_files_router("/static", [static_folder()]))
    return Litestar(handlers, openapi_config=None)


def middlewares() -> Litestar:
    return Litestar([text], middleware=[PassThrough() for _ in range(5)], openapi_config=None)


def routes(templates: list[str]) -> Litestar:
    handlers = []
    for template in templates:

        @get(template.replace("{tenant}", "{tenant:str}").replace("{id}", "{id:str}"), media_type=MediaType.TEXT)
        async def resource(id: str) -> str:
            return id

        handlers.append(resource)
    return Litestar(handlers, openapi_config=None)


def served() -> Litestar:
    return app(*SERVED)

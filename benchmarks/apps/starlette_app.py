"""Starlette. The JSON response is the one its documentation shows for orjson."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from benchmarks.workloads import GREETING, SERVED, STREAM, has_static, static_folder


class OrjsonResponse(JSONResponse):
    def render(self, content: Any) -> bytes:
        return orjson.dumps(content)


async def text(request: Request) -> PlainTextResponse:
    return PlainTextResponse(GREETING)


async def json(request: Request) -> OrjsonResponse:
    return OrjsonResponse({"message": GREETING})


async def params(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"{request.path_params['id']} {request.path_params['post']}")


async def query(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"{request.query_params['q']} {request.query_params['page']}")


async def json_echo(request: Request) -> OrjsonResponse:
    return OrjsonResponse(await request.json())


async def form(request: Request) -> PlainTextResponse:
    async with request.form() as fields:
        return PlainTextResponse(f"{fields['name']} {fields['email']} {fields['comment']}")


async def upload(request: Request) -> PlainTextResponse:
    async with request.form() as fields:
        upload = fields["file"]
        content = await upload.read()
        return PlainTextResponse(f"{upload.filename} {len(content)} {fields['title']}, {fields['album']}")


async def chunks() -> AsyncIterator[bytes]:
    for chunk in STREAM:
        yield chunk


async def stream(request: Request) -> StreamingResponse:
    return StreamingResponse(chunks(), media_type="text/plain")


async def chat(websocket: WebSocket) -> None:
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(text)


async def blobs(websocket: WebSocket) -> None:
    await websocket.accept()
    async for data in websocket.iter_bytes():
        await websocket.send_bytes(data)


async def resource(request: Request) -> PlainTextResponse:
    return PlainTextResponse(request.path_params["id"])


ROUTES: dict[str, BaseRoute] = {
    "text": Route("/", text),
    "json": Route("/json", json),
    "params": Route("/users/{id}/posts/{post}", params),
    "query": Route("/search", query),
    "json-echo": Route("/echo", json_echo, methods=["POST"]),
    "form": Route("/form", form, methods=["POST"]),
    "upload": Route("/upload", upload, methods=["POST"]),
    "stream": Route("/stream", stream),
    "ws-text": WebSocketRoute("/chat", chat),
    "ws-open": WebSocketRoute("/chat", chat),
    "ws-binary": WebSocketRoute("/blobs", blobs),
}


class PassThrough:
    """A pure ASGI middleware; `BaseHTTPMiddleware` costs many times as much."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


def app(*workloads: str) -> Starlette:
    routes = [ROUTES[name] for name in workloads if name in ROUTES]
    if has_static(workloads):
        routes.append(Mount("/static", StaticFiles(directory=static_folder())))
    return Starlette(routes=routes)


def middlewares() -> Starlette:
    return Starlette(routes=[ROUTES["text"]], middleware=[Middleware(PassThrough) for _ in range(5)])


def routes(templates: list[str]) -> Starlette:
    return Starlette(routes=[Route(template, resource) for template in templates])


def served() -> Starlette:
    return app(*SERVED)

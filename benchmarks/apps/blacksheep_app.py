"""BlackSheep, with orjson in its JSON settings as its documentation shows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import blacksheep
import orjson
from blacksheep import Application, Request, Response, StreamedContent, WebSocket, WebSocketDisconnectError
from blacksheep.server.routing import Router
from blacksheep.settings.json import json_settings

from benchmarks.workloads import GREETING, SERVED, STREAM, has_static, static_folder


def dumps(value: Any) -> str:
    return orjson.dumps(value).decode()


json_settings.use(loads=orjson.loads, dumps=dumps)


async def text(request: Request) -> Response:
    return blacksheep.text(GREETING)


async def json(request: Request) -> Response:
    return blacksheep.json({"message": GREETING})


async def params(request: Request) -> Response:
    return blacksheep.text(f"{request.route_values['id']} {request.route_values['post']}")


async def query(request: Request) -> Response:
    return blacksheep.text(f"{request.query['q'][0]} {request.query['page'][0]}")


async def json_echo(request: Request) -> Response:
    return blacksheep.json(await request.json())


async def form(request: Request) -> Response:
    fields = await request.form()
    return blacksheep.text(f"{fields['name']} {fields['email']} {fields['comment']}")


async def upload(request: Request) -> Response:
    fields = await request.form()
    (upload,) = fields["file"]
    content = upload.data
    return blacksheep.text(f"{upload.file_name.decode()} {len(content)} {fields['title']}, {fields['album']}")


async def chunks() -> AsyncIterator[bytes]:
    for chunk in STREAM:
        yield chunk


async def stream(request: Request) -> Response:
    return Response(200, content=StreamedContent(b"text/plain; charset=utf-8", chunks))


async def chat(websocket: WebSocket) -> None:
    await websocket.accept()
    try:
        while True:
            await websocket.send_text(await websocket.receive_text())
    except WebSocketDisconnectError:
        pass


async def blobs(websocket: WebSocket) -> None:
    await websocket.accept()
    try:
        while True:
            await websocket.send_bytes(await websocket.receive_bytes())
    except WebSocketDisconnectError:
        pass


async def resource(request: Request) -> Response:
    return blacksheep.text(request.route_values["id"])


ROUTES = {
    "text": ("GET", "/", text),
    "json": ("GET", "/json", json),
    "params": ("GET", "/users/{id}/posts/{post}", params),
    "query": ("GET", "/search", query),
    "json-echo": ("POST", "/echo", json_echo),
    "form": ("POST", "/form", form),
    "upload": ("POST", "/upload", upload),
    "stream": ("GET", "/stream", stream),
}
WEBSOCKETS = {"ws-text": ("/chat", chat), "ws-open": ("/chat", chat), "ws-binary": ("/blobs", blobs)}


def app(*workloads: str) -> Application:
    application = Application(router=Router())
    for name in workloads:
        if name in ROUTES:
            application.router.add(*ROUTES[name])
        elif name in WEBSOCKETS:
            application.router.add_ws(*WEBSOCKETS[name])
    if has_static(workloads):
        application.serve_files(static_folder(), root_path="static", extensions={".bin"})
    return application


def middlewares() -> Application:
    def pass_through() -> Callable[..., Awaitable[Response]]:
        async def middleware(request: Request, handler: Callable[[Request], Awaitable[Response]]) -> Response:
            return await handler(request)

        return middleware

    application = app("text")
    for _ in range(5):
        application.middlewares.append(pass_through())
    return application


def routes(templates: list[str]) -> Application:
    application = Application(router=Router())
    for template in templates:
        application.router.add_get(template, resource)
    return application


def served() -> Application:
    return app(*SERVED)

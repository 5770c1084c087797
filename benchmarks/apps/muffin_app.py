"""Muffin, which picks orjson up by itself."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from muffin import Application, Request, Response, ResponseJSON, ResponseStream, ResponseText, ResponseWebSocket

from benchmarks.workloads import GREETING, SERVED, STREAM, has_static, static_folder


async def text(request: Request) -> Response:
    return ResponseText(GREETING)


async def json(request: Request) -> Response:
    return ResponseJSON({"message": GREETING})


async def params(request: Request) -> Response:
    return ResponseText(f"{request.path_params['id']} {request.path_params['post']}")


async def query(request: Request) -> Response:
    return ResponseText(f"{request.query['q']} {request.query['page']}")


async def json_echo(request: Request) -> Response:
    return ResponseJSON(await request.json())


async def form(request: Request) -> Response:
    fields = await request.form()
    return ResponseText(f"{fields['name']} {fields['email']} {fields['comment']}")


async def upload(request: Request) -> Response:
    fields = await request.form()
    upload = fields["file"]
    content = upload.read()
    return ResponseText(f"{upload.name} {len(content)} {fields['title']}, {fields['album']}")


async def chunks() -> AsyncGenerator[bytes, None]:
    for chunk in STREAM:
        yield chunk


async def stream(request: Request) -> Response:
    return ResponseStream(chunks(), content_type="text/plain")


async def chat(request: Request) -> None:
    async with ResponseWebSocket(request) as ws:
        while ws.connected:
            message = await ws.receive()
            if isinstance(message, str):
                await ws.send(message)


async def blobs(request: Request) -> None:
    async with ResponseWebSocket(request) as ws:
        while ws.connected:
            # It takes every message for text otherwise.
            message = await ws.receive(raw=True)
            if message["type"] == "websocket.receive":
                await ws.send(message["bytes"])


async def resource(request: Request) -> Response:
    return ResponseText(request.path_params["id"])


ROUTES = {
    "text": ("GET", "/", text),
    "json": ("GET", "/json", json),
    "params": ("GET", "/users/{id}/posts/{post}", params),
    "query": ("GET", "/search", query),
    "json-echo": ("POST", "/echo", json_echo),
    "form": ("POST", "/form", form),
    "upload": ("POST", "/upload", upload),
    "stream": ("GET", "/stream", stream),
    "ws-text": ("GET", "/chat", chat),
    "ws-open": ("GET", "/chat", chat),
    "ws-binary": ("GET", "/blobs", blobs),
}


def app(*workloads: str) -> Application:
    if has_static(workloads):
        application = Application(static_folders=[static_folder()], static_url_prefix="/static")
    else:
        application = Application()
    for name in workloads:
        if name in ROUTES:
            method, path, handler = ROUTES[name]
            application.route(path, methods=[method])(handler)
    return application


def middlewares() -> Application:
    def pass_through():
        async def middleware(app, request, receive, send):
            return await app(request, receive, send)

        return middleware

    application = app("text")
    for _ in range(5):
        application.middleware(pass_through())
    return application


def routes(templates: list[str]) -> Application:
    application = Application()
    for template in templates:
        application.route(template, methods=["GET"])(resource)
    return application


def served() -> Application:
    return app(*SERVED)

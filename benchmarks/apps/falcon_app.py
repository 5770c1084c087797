"""Falcon: resources and responders, compiled as its wheel is, with msgspec as its recipe shows."""

from __future__ import annotations

from collections.abc import AsyncIterator

import falcon
import falcon.asgi
import msgspec
from falcon.asgi import Request, Response, WebSocket
from falcon.media import JSONHandler

from benchmarks.workloads import GREETING, SERVED, STREAM, has_static, static_folder


class Text:
    async def on_get(self, req: Request, resp: Response) -> None:
        resp.content_type = falcon.MEDIA_TEXT
        resp.text = GREETING


class Json:
    async def on_get(self, req: Request, resp: Response) -> None:
        resp.media = {"message": GREETING}


class Params:
    async def on_get(self, req: Request, resp: Response, id: str, post: str) -> None:
        resp.content_type = falcon.MEDIA_TEXT
        resp.text = f"{id} {post}"


class Query:
    async def on_get(self, req: Request, resp: Response) -> None:
        resp.content_type = falcon.MEDIA_TEXT
        resp.text = f"{req.get_param('q')} {req.get_param('page')}"


class JsonEcho:
    async def on_post(self, req: Request, resp: Response) -> None:
        resp.media = await req.get_media()


class Form:
    async def on_post(self, req: Request, resp: Response) -> None:
        fields = await req.get_media()
        resp.content_type = falcon.MEDIA_TEXT
        resp.text = f"{fields['name']} {fields['email']} {fields['comment']}"


class Upload:
    async def on_post(self, req: Request, resp: Response) -> None:
        fields = {}
        async for part in await req.get_media():
            if part.filename:
                filename, content = part.filename, await part.get_data()
            else:
                fields[part.name] = await part.get_text()
        resp.content_type = falcon.MEDIA_TEXT
        resp.text = f"{filename} {len(content)} {fields['title']}, {fields['album']}"


class Stream:
    async def on_get(self, req: Request, resp: Response) -> None:
        async def chunks() -> AsyncIterator[bytes]:
            for chunk in STREAM:
                yield chunk

        resp.content_type = falcon.MEDIA_TEXT
        resp.stream = chunks()


class Chat:
    async def on_websocket(self, req: Request, ws: WebSocket) -> None:
        try:
            await ws.accept()
            while True:
                await ws.send_text(await ws.receive_text())
        except falcon.WebSocketDisconnected:
            pass


class Blobs:
    async def on_websocket(self, req: Request, ws: WebSocket) -> None:
        try:
            await ws.accept()
            while True:
                await ws.send_data(await ws.receive_data())
        except falcon.WebSocketDisconnected:
            pass


class Resource:
    async def on_get(self, req: Request, resp: Response, id: str, tenant: str = "") -> None:
        resp.content_type = falcon.MEDIA_TEXT
        resp.text = id


ROUTES = {
    "text": ("/", Text()),
    "json": ("/json", Json()),
    "params": ("/users/{id}/posts/{post}", Params()),
    "query": ("/search", Query()),
    "json-echo": ("/echo", JsonEcho()),
    "form": ("/form", Form()),
    "upload": ("/upload", Upload()),
    "stream": ("/stream", Stream()),
    "ws-text": ("/chat", Chat()),
    "ws-open": ("/chat", Chat()),
    "ws-binary": ("/blobs", Blobs()),
}


class PassThrough:
    """Sees the request and the response, as a middleware of the other frameworks does."""

    async def process_request(self, req: Request, resp: Response) -> None:
        pass

    async def process_response(self, req: Request, resp: Response, resource: object, req_succeeded: bool) -> None:
        pass


def empty(middleware: list[PassThrough] | None = None) -> falcon.asgi.App:
    application = falcon.asgi.App(middleware=middleware)
    handler = JSONHandler(dumps=msgspec.json.encode, loads=msgspec.json.decode)
    application.req_options.media_handlers[falcon.MEDIA_JSON] = handler
    application.resp_options.media_handlers[falcon.MEDIA_JSON] = handler
    return application


def app(*workloads: str) -> falcon.asgi.App:
    application = empty()
    for name in workloads:
        if name in ROUTES:
            application.add_route(*ROUTES[name])
    if has_static(workloads):
        application.add_static_route("/static", static_folder())
    return application


def middlewares() -> falcon.asgi.App:
    application = empty([PassThrough() for _ in range(5)])
    application.add_route("/", Text())
    return application


def routes(templates: list[str]) -> falcon.asgi.App:
    application = empty()
    for template in templates:
        application.add_route(template, Resource())
    return application


def served() -> falcon.asgi.App:
    return app(*SERVED)

"""MicroPie, which picks orjson up by itself. Its routes are its methods' names, so none share a prefix."""

from __future__ import annotations

from typing import Any

from micropie import App, ConnectionClosed, HttpMiddleware, Request, WebSocket

from benchmarks.apps import UnsupportedError
from benchmarks.workloads import GREETING, STREAM

TEXT = [("Content-Type", "text/plain; charset=utf-8")]


class Root(App):
    async def index(self):
        return 200, GREETING, TEXT

    async def json(self):
        return {"message": GREETING}

    async def users(self, id, posts, post):
        return 200, f"{id} {post}", TEXT

    async def search(self, q, page):
        return 200, f"{q} {page}", TEXT

    async def echo(self):
        return self.request.json()

    async def form(self, name, email, comment):
        return 200, f"{name} {email} {comment}", TEXT

    async def upload(self, title, file, album):
        size = 0
        while (chunk := await file["content"].get()) is not None:
            size += len(chunk)
        return 200, f"{file['filename']} {size} {title}, {album}", TEXT

    async def stream(self):
        async def chunks():
            for chunk in STREAM:
                yield chunk

        return 200, chunks(), TEXT

    async def ws_chat(self, ws: WebSocket):
        await ws.accept()
        try:
            while True:
                await ws.send_text(await ws.receive_text())
        except ConnectionClosed:
            pass

    async def ws_blobs(self, ws: WebSocket):
        await ws.accept()
        try:
            while True:
                await ws.send_bytes(await ws.receive_bytes())
        except ConnectionClosed:
            pass


class PassThrough(HttpMiddleware):
    async def before_request(self, request: Request) -> None:
        pass

    async def after_request(
        self, request: Request, status_code: int, response_body: Any, extra_headers: list[tuple[str, str]]
    ) -> None:
        pass


def app(*workloads: str) -> App:
    return Root()


def middlewares() -> App:
    application = Root()
    application.middlewares = [PassThrough() for _ in range(5)]
    return application


def routes(templates: list[str]) -> App:
    if "{tenant}" in templates[0]:
        raise UnsupportedError("MicroPie's first path segment names the handler")

    async def resource(self, id):
        return 200, id, TEXT

    names = [template.split("/")[1] for template in templates]
    return type("Resources", (App,), dict.fromkeys(names, resource))()


def served() -> App:
    return Root()

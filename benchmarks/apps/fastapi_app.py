"""FastAPI: its decorators, parameters by annotation, and responses returned directly."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

import orjson
from fastapi import FastAPI, Form, Request, UploadFile, WebSocket
from fastapi.responses import JSONResponse, PlainTextResponse, StreamingResponse
from fastapi.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from benchmarks.workloads import GREETING, SERVED, STREAM, has_static, static_folder


class OrjsonResponse(JSONResponse):
    def render(self, content: Any) -> bytes:
        return orjson.dumps(content)


def text(application: FastAPI) -> None:
    @application.get("/")
    async def text() -> PlainTextResponse:
        return PlainTextResponse(GREETING)


def json(application: FastAPI) -> None:
    @application.get("/json")
    async def json() -> OrjsonResponse:
        return OrjsonResponse({"message": GREETING})


def params(application: FastAPI) -> None:
    @application.get("/users/{id}/posts/{post}")
    async def params(id: str, post: str) -> PlainTextResponse:
        return PlainTextResponse(f"{id} {post}")


def query(application: FastAPI) -> None:
    @application.get("/search")
    async def query(q: str, page: str) -> PlainTextResponse:
        return PlainTextResponse(f"{q} {page}")


def json_echo(application: FastAPI) -> None:
    @application.post("/echo")
    async def json_echo(request: Request) -> OrjsonResponse:
        return OrjsonResponse(await request.json())


def form(application: FastAPI) -> None:
    @application.post("/form")
    async def form(
        name: Annotated[str, Form()], email: Annotated[str, Form()], comment: Annotated[str, Form()]
    ) -> PlainTextResponse:
        return PlainTextResponse(f"{name} {email} {comment}")


def upload(application: FastAPI) -> None:
    @application.post("/upload")
    async def upload(
        file: UploadFile, title: Annotated[str, Form()], album: Annotated[str, Form()], comment: Annotated[str, Form()]
    ) -> PlainTextResponse:
        content = await file.read()
        return PlainTextResponse(f"{file.filename} {len(content)} {title}, {album}")


def stream(application: FastAPI) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for chunk in STREAM:
            yield chunk

    # A handler that yields by itself costs more: FastAPI then sleeps after each chunk.
    @application.get("/stream")
    async def stream() -> StreamingResponse:
        return StreamingResponse(chunks(), media_type="text/plain")


def chat(application: FastAPI) -> None:
    @application.websocket("/chat")
    async def chat(websocket: WebSocket) -> None:
        await websocket.accept()
        async for text in websocket.iter_text():
            await websocket.send_text(text)


def blobs(application: FastAPI) -> None:
    @application.websocket("/blobs")
    async def blobs(websocket: WebSocket) -> None:
        await websocket.accept()
        async for data in websocket.iter_bytes():
            await websocket.send_bytes(data)


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


class PassThrough:
    """A pure ASGI middleware; `@app.middleware("http")` costs many times as much."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


def app(*workloads: str) -> FastAPI:
    application = FastAPI(openapi_url=None)
    for name in workloads:
        if name in ROUTES:
            ROUTES[name](application)
    if has_static(workloads):
        application.mount("/static", StaticFiles(directory=static_folder()))
    return application


def middlewares() -> FastAPI:
    application = app("text")
    for _ in range(5):
        application.add_middleware(PassThrough)
    return application


def routes(templates: list[str]) -> FastAPI:
    async def resource(id: str) -> PlainTextResponse:
        return PlainTextResponse(id)

    application = FastAPI(openapi_url=None)
    for template in templates:
        application.get(template)(resource)
    return application


def served() -> FastAPI:
    return app(*SERVED)

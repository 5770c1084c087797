"""FastAPI: its decorators, parameters by annotation, and responses returned directly."""

from __future__ import annotations

from typing import Annotated, Any

import orjson
from fastapi import FastAPI, Form, Request
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from benchmarks.workloads import GREETING, SERVED


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


ROUTES = {"text": text, "json": json, "params": params, "query": query, "json-echo": json_echo, "form": form}


class PassThrough:
    """A pure ASGI middleware; `@app.middleware("http")` costs many times as much."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


def app(*workloads: str) -> FastAPI:
    application = FastAPI(openapi_url=None)
    for name in workloads:
        ROUTES[name](application)
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

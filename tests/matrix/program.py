"""The program that every server of the matrix serves: one route for each thing that a server can get wrong.

What happens in it while no client can see is written to a journal, the file that the variable MATRIX_JOURNAL names.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from framework import web

#: The body of /file.
FILE_CONTENT = bytes(range(256)) * 6000

routes = web.RouteTableDef()

#: What the tests set off from outside, by name.
events = web.AppKey("events", dict[str, asyncio.Event])
#: Set by `on_shutdown`.
shutting_down = web.AppKey("shutting_down", asyncio.Event)
#: Where the file of /file is.
file_path = web.AppKey("file_path", Path)

_journal = os.open(os.environ.get("MATRIX_JOURNAL", os.devnull), os.O_WRONLY | os.O_APPEND | os.O_CREAT)


def note(*words: str) -> None:
    """Write a line of the journal."""
    os.write(_journal, " ".join(words).encode() + b"\n")


# --- Requests and responses -----------------------------------------------------------------------


@routes.get("/text")
async def text(request: web.Request) -> web.Response:
    return web.Response(text="Grüße, {}\n".format(request.query.get("name", "Welt")))


@routes.get("/empty")
async def empty(request: web.Request) -> web.Response:
    return web.Response(status=204)


@routes.post("/json")
async def json(request: web.Request) -> web.Response:
    return web.json_response({"received": await request.json()}, headers={"X-Two": "one"})


@routes.post("/form")
async def form(request: web.Request) -> web.Response:
    fields = await request.post()
    return web.json_response([[name, value] for name, value in fields.items() if isinstance(value, str)])


@routes.post("/upload")
async def upload(request: web.Request) -> web.Response:
    fields = await request.post()
    file = fields["file"]
    assert isinstance(file, web.FileField)
    content = await asyncio.to_thread(file.file.read)
    return web.Response(body=content, headers={"X-Name": file.filename, "X-Note": str(fields["note"])})


@routes.post("/small", client_max_size=1000)
async def small(request: web.Request) -> web.Response:
    return web.Response(body=await request.read())


@routes.get("/stream/{name}")
async def stream(request: web.Request) -> web.StreamResponse:
    event = request.app[events].setdefault(request.match_info["name"], asyncio.Event())
    response = web.StreamResponse(headers={"Content-Type": "text/plain"})
    await response.prepare(request)
    await response.write(b"first")
    await event.wait()
    await response.write(b"second")
    await response.write_eof()
    return response


@routes.post("/stream/{name}")
async def go_on(request: web.Request) -> web.Response:
    request.app[events].setdefault(request.match_info["name"], asyncio.Event()).set()
    return web.Response()


@routes.post("/echo")
async def echo(request: web.Request) -> web.StreamResponse:
    """Sends each piece of the body back as it comes."""
    response = web.StreamResponse()
    await response.prepare(request)
    async for piece in request.content.iter_any():
        await response.write(piece)
    await response.write_eof()
    return response


@routes.get("/file")
async def file(request: web.Request) -> web.FileResponse:
    return web.FileResponse(request.app[file_path])


@routes.get("/cookies")
async def cookies(request: web.Request) -> web.Response:
    response = web.json_response(dict(request.cookies))
    response.set_cookie("first", "1", path="/", httponly=True)
    response.set_cookie("second", "2", max_age=60, samesite="Lax")
    response.del_cookie("third")
    return response


@routes.get("/trailers")
async def trailers(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    response.trailers["X-Checksum"] = "42"
    await response.prepare(request)
    await response.write(b"body")
    await response.write_eof()
    return response


@routes.get("/extensions")
async def extensions(request: web.Request) -> web.Response:
    return web.json_response(sorted(request.scope.get("extensions") or ()))


async def side_messages(scope: Any, receive: Any, send: Any) -> None:
    """A foreign ASGI application, mounted: early hints and a push, for which aiohttp has no API."""
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    offered = scope.get("extensions") or {}
    if "http.response.early_hint" in offered:
        await send({"type": "http.response.early_hint", "links": [b"</style.css>; rel=preload"]})
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
    if "http.response.push" in offered:
        await send({"type": "http.response.push", "path": "/text", "headers": []})
    await send({"type": "http.response.body", "body": b"main"})


class FileMessages:
    """ASGI middleware that notes by which messages /file is sent."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["path"] != "/file":
            await self._app(scope, receive, send)
            return
        kinds: list[str] = []

        async def noting(message: Any) -> None:
            kinds.append(message["type"])
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            note("file", *dict.fromkeys(kinds))


# --- WebSockets -----------------------------------------------------------------------------------


@routes.get("/websocket/{name}")
async def websocket(request: web.Request) -> web.StreamResponse:
    ws = web.WebSocketResponse(protocols=("superchat", "chat"))
    await ws.prepare(request)
    async for message in ws:
        if message.data == "close":
            await ws.close(code=4002, message=b"done")
        elif message.type is web.WSMsgType.TEXT:
            await ws.send_str(message.data)
        else:
            await ws.send_bytes(message.data)
    note("websocket", request.match_info["name"], str(ws.close_code))
    return ws


@routes.get("/denied")
async def denied(request: web.Request) -> web.Response:
    return web.json_response({"error": "no ticket"}, status=401, headers={"X-Reason": "ticket"})


# --- Clients that leave ---------------------------------------------------------------------------


@routes.get("/wait/{name}")
async def wait(request: web.Request) -> web.Response:
    note("waiting", request.match_info["name"])
    await request.wait_for_disconnection()
    note("left", request.match_info["name"])
    return web.Response()


@routes.get("/endless/{name}")
async def endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    try:
        while True:
            await response.write(b"x" * 1024)
            await asyncio.sleep(0.01)
    except ConnectionResetError:
        note("broken", request.match_info["name"])
        raise


@routes.get("/cancelled/{name}", handler_cancellation=True)
async def cancelled(request: web.Request) -> web.Response:
    note("waiting", request.match_info["name"])
    try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        note("cancelled", request.match_info["name"])
        raise
    return web.Response()


@routes.post("/read/{name}")
async def read(request: web.Request) -> web.Response:
    note("reading", request.match_info["name"])
    try:
        await request.read()
    except ConnectionResetError:
        note("unread", request.match_info["name"])
        raise
    return web.Response()


# --- The end --------------------------------------------------------------------------------------


@routes.get("/slow/{name}")
async def slow(request: web.Request) -> web.Response:
    name = request.match_info["name"]
    note("begun", name)
    await asyncio.sleep(0.1)
    return web.Response(text=name)


@routes.get("/until-shutdown")
async def until_shutdown(request: web.Request) -> web.Response:
    """Answers once `on_shutdown` has run, as a handler of an endless stream would end."""
    note("held")
    try:
        await asyncio.wait_for(request.app[shutting_down].wait(), float(os.environ.get("MATRIX_HOLD", "20")))
    except TimeoutError:
        return web.Response(text="not told")
    return web.Response(text="told")


async def life(app: web.Application) -> AsyncIterator[None]:
    app[events] = {}
    app[shutting_down] = asyncio.Event()
    note("startup")
    yield
    note("cleanup")


async def on_shutdown(app: web.Application) -> None:
    note("on_shutdown")
    app[shutting_down].set()


app = web.Application(client_max_size=2**24)
app[file_path] = Path(os.environ.get("MATRIX_FILE", os.devnull))
app.add_routes(routes)
app.mount("/side", side_messages)
app.add_asgi_middleware(FileMessages)
app.cleanup_ctx.append(life)
app.on_shutdown.append(on_shutdown)


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve the program by run_app.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--server", default="uvicorn")
    parser.add_argument("--http2", action="store_true")
    parser.add_argument("--certfile")
    parser.add_argument("--keyfile")
    arguments = parser.parse_args()
    web.run_app(
        app,
        host="127.0.0.1",
        port=arguments.port,
        server=arguments.server,
        shutdown_timeout=3,
        http2=arguments.http2,
        ssl_certfile=arguments.certfile,
        ssl_keyfile=arguments.keyfile,
    )


if __name__ == "__main__":
    main()

"""aiohttp on its own server: `python -m benchmarks.apps.aiohttp_app PORT asyncio|uvloop`."""

from __future__ import annotations

import asyncio
import logging
import sys

from aiohttp import web

from benchmarks.workloads import GREETING, SERVED, STREAM, static_folder


async def text(request: web.Request) -> web.Response:
    return web.Response(text=GREETING)


async def json(request: web.Request) -> web.Response:
    return web.json_response({"message": GREETING})


async def params(request: web.Request) -> web.Response:
    return web.Response(text=f"{request.match_info['id']} {request.match_info['post']}")


async def query(request: web.Request) -> web.Response:
    return web.Response(text=f"{request.query['q']} {request.query['page']}")


async def json_echo(request: web.Request) -> web.Response:
    return web.json_response(await request.json())


async def form(request: web.Request) -> web.Response:
    fields = await request.post()
    return web.Response(text=f"{fields['name']} {fields['email']} {fields['comment']}")


async def upload(request: web.Request) -> web.Response:
    fields = await request.post()
    upload = fields["file"]
    assert isinstance(upload, web.FileField)
    content = upload.file.read()
    return web.Response(text=f"{upload.filename} {len(content)} {fields['title']}, {fields['album']}")


async def stream(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/plain; charset=utf-8"})
    await response.prepare(request)
    for chunk in STREAM:
        await response.write(chunk)
    await response.write_eof()
    return response


async def chat(request: web.Request) -> web.WebSocketResponse:
    ws = web.WebSocketResponse()
    await ws.prepare(request)
    async for msg in ws:
        await ws.send_str(msg.data)
    return ws


async def blobs(request: web.Request) -> web.WebSocketResponse:
    ws = web.WebSocketResponse()
    await ws.prepare(request)
    async for msg in ws:
        await ws.send_bytes(msg.data)
    return ws


ROUTES = {
    "text": web.get("/", text),
    "json": web.get("/json", json),
    "params": web.get("/users/{id}/posts/{post}", params),
    "query": web.get("/search", query),
    "json-echo": web.post("/echo", json_echo),
    "form": web.post("/form", form),
    "upload": web.post("/upload", upload),
    "stream": web.get("/stream", stream),
    "ws-text": web.get("/chat", chat),
    "ws-open": web.get("/chat", chat),
    "ws-binary": web.get("/blobs", blobs),
}


def served() -> web.Application:
    application = web.Application()
    application.add_routes([ROUTES[name] for name in SERVED if name in ROUTES])
    application.add_routes([web.static("/static", static_folder())])
    return application


if __name__ == "__main__":
    if sys.argv[2] == "uvloop":
        import uvloop

        loop = uvloop.new_event_loop()
    else:
        loop = asyncio.new_event_loop()
    # It logs a traceback for each connection that the load generator closes at the end of a round.
    logging.getLogger("aiohttp.server").disabled = True
    web.run_app(
        served(),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        access_log=None,
        print=None,
        loop=loop,
    )

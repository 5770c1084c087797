"""Starlette, FastAPI and Django in an application, and an application in Starlette and FastAPI."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from framework import testing, web
from tests.driver import Driver
from tests.interop.packages import needs

applications = needs("starlette.applications")
endpoints = needs("starlette.endpoints")
responses = needs("starlette.responses")
routing = needs("starlette.routing")
staticfiles = needs("starlette.staticfiles")
fastapi = needs("fastapi")


def starlette(events: list[str], name: str, folder: Path, *mounts: Any) -> Any:
    """A Starlette application with everything that has to do with paths, named routes and the lifespan."""

    async def item(request: Any) -> Any:
        return responses.JSONResponse(
            {
                "app": name,
                "id": request.path_params["id"],
                "url": str(request.url),
                "url_for": str(request.url_for("item", id=8)),
                "state": request.state.name,
            }
        )

    async def old(request: Any) -> Any:
        return responses.RedirectResponse(request.url_for("item", id=1))

    async def echo(websocket: Any) -> None:
        await websocket.accept()
        await websocket.send_text(f"{name} {websocket.url.path} {await websocket.receive_text()}")
        await websocket.close(4001)

    @contextlib.asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[dict[str, str]]:
        events.append(f"{name} startup")
        yield {"name": name}
        events.append(f"{name} shutdown")

    return applications.Starlette(
        routes=[
            routing.Route("/items/{id:int}", item, name="item"),
            routing.Route("/old", old),
            routing.Route("/dir/", old),
            routing.WebSocketRoute("/ws", echo),
            routing.Mount("/static", staticfiles.StaticFiles(directory=folder)),
            *(routing.Mount(prefix, app) for prefix, app in mounts),
        ],
        lifespan=lifespan,
    )


def fast_api(events: list[str], name: str, folder: Path, *mounts: Any) -> Any:
    """The same in FastAPI."""

    @contextlib.asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[dict[str, str]]:
        events.append(f"{name} startup")
        yield {"name": name}
        events.append(f"{name} shutdown")

    api = fastapi.FastAPI(lifespan=lifespan)

    async def item(id: int, request: Any) -> Any:
        url_for = str(request.url_for("item", id=8))
        return {"app": name, "id": id, "url": str(request.url), "url_for": url_for, "state": request.state.name}

    async def old(request: Any) -> Any:
        return responses.RedirectResponse(request.url_for("item", id=1))

    async def echo(websocket: Any) -> None:
        await websocket.accept()
        await websocket.send_text(f"{name} {websocket.url.path} {await websocket.receive_text()}")
        await websocket.close(4001)

    # Annotations are read when the route is added, and this module's are text.
    item.__annotations__ = {"id": int, "request": fastapi.Request}
    old.__annotations__ = {"request": fastapi.Request}
    echo.__annotations__ = {"websocket": fastapi.WebSocket}
    api.get("/items/{id}", name="item")(item)
    api.get("/old")(old)
    api.get("/dir/")(old)
    api.websocket("/ws")(echo)
    api.mount("/static", staticfiles.StaticFiles(directory=folder))
    for prefix, app in mounts:
        api.mount(prefix, app)
    return api


def own(events: list[str], name: str, folder: Path, *mounts: Any) -> web.Application:
    """The same in an application of ours."""

    async def item(request: web.Request) -> web.Response:
        return web.json_response(
            {
                "app": name,
                "id": int(request.match_info["id"]),
                "url": str(request.url),
                "url_for": str(request.url.join(request.url_for("item", id="8"))),
                "state": request.app["name"],
            }
        )

    async def old(request: web.Request) -> web.Response:
        raise web.HTTPTemporaryRedirect(request.url_for("item", id="1"))

    async def echo(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        await ws.send_str(f"{name} {request.path} {await ws.receive_str()}")
        await ws.close(code=4001)
        return ws

    async def context(app: web.Application) -> AsyncIterator[None]:
        events.append(f"{name} startup")
        yield
        events.append(f"{name} shutdown")

    app = web.Application(middlewares=[web.normalize_path_middleware(redirect_class=web.HTTPTemporaryRedirect)])
    with pytest.warns(web.NotAppKeyWarning):
        app["name"] = name
    app.router.add_get(r"/items/{id:\d+}", item, name="item")
    app.router.add_get("/old", old)
    app.router.add_get("/dir/", old)
    app.router.add_get("/ws", echo)
    app.router.add_static("/static", folder, html=True)
    app.cleanup_ctx.append(context)
    for prefix, mounted in mounts:
        app.mount(prefix, mounted)
    return app


MAKERS = {"starlette": starlette, "fastapi": fast_api, "own": own}
#: From the outside to the inside.
TOWERS = [
    ("own", "starlette"),
    ("own", "fastapi"),
    ("starlette", "own"),
    ("fastapi", "own"),
    ("own", "starlette", "own"),
    ("own", "fastapi", "own"),
    ("starlette", "own", "fastapi"),
    ("fastapi", "own", "starlette"),
    ("own", "own", "starlette"),
    ("starlette", "starlette", "own"),
]


def tower(kinds: tuple[str, ...], events: list[str], folder: Path) -> Any:
    """Applications in one another: the one on floor n is called by its kind and n, and is at ``/1/2`` for instance."""
    app = None
    for floor in range(len(kinds) - 1, -1, -1):
        mounts: list[Any] = [] if app is None else [(f"/{floor + 1}", app)]
        app = MAKERS[kinds[floor]](events, f"{kinds[floor]}{floor}", folder, *mounts)
    return app


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "größe.txt").write_text("large", "utf-8")
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "index.html").write_text("index", "utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("kinds", "root_path"),
    [
        (kinds, root_path)
        for kinds in TOWERS
        for root_path in ("", "/api", "/left-out")
        # Starlette, outermost, takes a path without its root_path for the path of the client.
        if kinds[0] == "own" or root_path != "/left-out"
    ],
    ids=str,
)
async def test_every_floor_has_its_urls_right(kinds: tuple[str, ...], root_path: str, folder: Path) -> None:
    """`root_path` is in the path, as the specification has it, or left out of it, as by some servers."""
    events: list[str] = []
    app = tower(kinds, events, folder)
    left_out = root_path == "/left-out"
    async with contextlib.AsyncExitStack() as stack:
        state: dict[str, Any] = {}
        if kinds[0] == "own":
            await stack.enter_async_context(app)
        else:
            state = await stack.enter_async_context(app.router.lifespan_context(app))

        async def ask(target: str) -> Driver:
            path = target if left_out else root_path + target
            return await Driver.http(app, target=path, root_path=root_path, state=dict(state)).run()

        for floor, kind in enumerate(kinds):
            name = f"{kind}{floor}"
            if kind != "own" and floor and kinds[floor - 1] != "own":
                continue  # Starlette in Starlette has no lifespan and no state
            prefix = "".join(f"/{number}" for number in range(1, floor + 1))
            outside = f"{root_path}{prefix}"
            asked = prefix if left_out and not floor else outside
            answer = await ask(f"{prefix}/items/7")
            assert httpx.Response(200, content=answer.body).json() == {
                "app": name,
                "id": 7,
                "url": f"http://example.com{asked}/items/7",
                "url_for": f"http://example.com{outside}/items/8",
                "state": name,
            }
            redirect = await ask(f"{prefix}/old")
            assert redirect.status == 307
            assert redirect.headers[b"location"].decode().removeprefix("http://example.com") == f"{outside}/items/1"
            slash = await ask(f"{prefix}/dir")
            assert slash.status == 307
            assert slash.headers[b"location"].decode().removeprefix("http://example.com") == f"{outside}/dir/"
            file = await ask(f"{prefix}/static/gr%C3%B6%C3%9Fe.txt")
            assert (file.status, file.body) == (200, b"large")
            if kind == "own":
                index = await ask(f"{prefix}/static/inside")
                assert (index.status, index.headers[b"location"].decode()) == (307, f"{outside}/static/inside/")
            assert (await ask(f"{prefix}/missing")).status == 404
            assert (await ask(f"{prefix}/static/..%2F..%2Fetc%2Fpasswd")).status == 404


@pytest.mark.parametrize("kinds", TOWERS, ids="-".join)
async def test_every_floor_has_websockets(kinds: tuple[str, ...], folder: Path) -> None:
    app = tower(kinds, [], folder)
    for floor, kind in enumerate(kinds):
        prefix = "".join(f"/{number}" for number in range(1, floor + 1))
        async with testing.websocket(app, f"{prefix}/ws") as ws:
            await ws.send_str("hello")
            assert await ws.receive_str() == f"{kind}{floor} {prefix}/ws hello"
            assert (await ws.receive()).data == 4001
        with pytest.raises(testing.WebSocketDenied):
            async with testing.websocket(app, f"{prefix}/missing"):
                pass
    if isinstance(app, web.Application):
        await app.close()


@pytest.mark.parametrize("kinds", [kinds for kinds in TOWERS if kinds[0] == "own"], ids="-".join)
async def test_lifespans_of_what_is_mounted_here(kinds: tuple[str, ...], folder: Path) -> None:
    events: list[str] = []
    app = tower(kinds, events, folder)
    # As far as each floor runs the lifespan of the next: Starlette's Mount does not.
    reached = next((floor for floor, kind in enumerate(kinds) if kind != "own"), len(kinds)) + 1
    names = [f"{kind}{floor}" for floor, kind in enumerate(kinds)][:reached]
    async with app:
        assert events == [f"{name} startup" for name in names]
    assert events[len(names) :] == [f"{name} shutdown" for name in reversed(names)]


@pytest.mark.parametrize("outer", ["starlette", "fastapi"])
async def test_in_starlette_the_first_request_starts_it_and_the_outer_lifespan_closes_it(
    outer: str, folder: Path
) -> None:
    events: list[str] = []
    inner = own(events, "inner", folder)

    @contextlib.asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        yield
        await inner.close()

    make = applications.Starlette if outer == "starlette" else fastapi.FastAPI
    app = make(lifespan=lifespan)
    app.mount("/in", inner)
    async with app.router.lifespan_context(app):
        assert events == []
        assert (await Driver.http(app, target="/in/items/7").run()).status == 200
        assert events == ["inner startup"]
    assert events == ["inner startup", "inner shutdown"]


async def test_a_startup_of_starlette_that_fails() -> None:
    @contextlib.asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        raise OSError("no disk")
        yield

    app = web.Application()
    app.mount("/s", applications.Starlette(lifespan=lifespan))
    with pytest.raises(RuntimeError, match=r"Starlette.* mounted at /s, failed to start: OSError: no disk") as caught:
        await app.start()
    assert isinstance(caught.value.__cause__, OSError)


async def test_what_starlette_raises_and_answers(caplog: pytest.LogCaptureFixture) -> None:
    async def fail(request: Any) -> Any:
        raise ValueError("broken")

    app = web.Application()
    app.mount("/s", applications.Starlette(routes=[routing.Route("/", fail)]))
    driver = Driver.http(app, target="/s/")
    # Its own 500, and the exception for the server's log, as where it is served by itself.
    with pytest.raises(ValueError, match="broken"):
        await driver.run()
    assert (driver.status, driver.body) == (500, b"Internal Server Error")
    await app.close()


async def test_fastapi_documents_itself_below_the_prefix() -> None:
    app = web.Application()
    app.mount("/api", fastapi.FastAPI())
    transport = httpx.ASGITransport(app)
    async with app, httpx.AsyncClient(transport=transport, base_url="http://example") as client:
        page = await client.get("/api/docs")
        schema = await client.get("/api/openapi.json")
    assert "url: '/api/openapi.json'" in page.text
    assert schema.json()["servers"] == [{"url": "/api"}]


async def test_routes_inside_are_told_to_observers_outside(folder: Path) -> None:
    app = tower(("own", "starlette", "own"), [], folder)
    async with app:
        for target, path in (
            ("/1/items/7", "/1/items/{id:int}"),
            ("/1/2/items/7", "/1/2/items/{id}"),
            ("/1/static/gr%C3%B6%C3%9Fe.txt", "/1/static"),
        ):
            driver = await Driver.http(app, target=f"/api{target}", root_path="/api").run()
            assert driver.status == 200
            assert driver.scope["route"].path_format == path


async def test_the_prefix_of_a_fastapi_router_is_told_to_observers() -> None:
    async def item(id: str) -> dict[str, str]:
        return {"id": id}

    item.__annotations__ = {"id": str, "return": dict[str, str]}
    api, router, app = fastapi.FastAPI(), fastapi.APIRouter(), web.Application()
    router.get("/items/{id}")(item)
    api.include_router(router, prefix="/v1")
    app.mount("/api", api)
    async with app:
        driver = await Driver.http(app, target="/api/v1/items/7").run()
    assert (driver.status, driver.scope["route"].path) == (200, "/api/v1/items/{id}")


def test_django(monkeypatch: pytest.MonkeyPatch) -> None:
    needs("django")
    import asyncio

    asyncio.run(_ask_django())


async def _ask_django() -> None:
    conf, http, urls = needs("django.conf"), needs("django.http"), needs("django.urls")
    asgi = needs("django.core.asgi")

    async def view(request: Any, id: int) -> Any:
        body = request.body.decode()
        return http.JsonResponse({"path": request.path, "reverse": urls.reverse("item", args=[8]), "body": body})

    module = type("urlconf", (), {"urlpatterns": [urls.path("items/<int:id>", view, name="item")]})
    if not conf.settings.configured:
        conf.settings.configure(ROOT_URLCONF=module, ALLOWED_HOSTS=["*"], SECRET_KEY="x", DEBUG=False)
    app = web.Application()
    app.mount("/django", asgi.get_asgi_application())
    transport = httpx.ASGITransport(app, root_path="/api")
    async with app, httpx.AsyncClient(transport=transport, base_url="http://example") as client:
        answer = await client.post("/api/django/items/7", content=b"body")
        missing = await client.get("/api/django/missing")
    assert answer.json() == {
        "path": "/api/django/items/7",
        "reverse": "/api/django/items/8",
        "body": "body",
    }
    assert missing.status_code == 404

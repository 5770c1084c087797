"""normalize_path_middleware: redirects to the path with or without slashes that a route answers."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.contract import modules
from tests.contract.backends import Backend
from tests.contract.modules import resolve

web = modules.web


def raw(client: httpx.AsyncClient, path: str) -> str:
    """The whole URL, so that httpx does not take `//x` for a host."""
    return str(client.base_url).rstrip("/") + path


def normalizing(web: Any, paths: list[str], **options: Any) -> Any:
    app = web.Application(middlewares=[web.normalize_path_middleware(**options)])

    async def answer(request: Any) -> Any:
        return web.Response(text=request.path_qs)

    for path in paths:
        app.router.add_route("*", path, answer)
    return app


PATHS = ["/plain", "/slash/", "/deep/er/path", "/deep/er/slash/", "/item/{x}", "/thing/{x}/"]


async def location(backend: Backend, path: str, **options: Any) -> tuple[int, str | None]:
    async with backend.client(normalizing(backend.web, PATHS, **options)) as client:
        response = await client.get(raw(client, path))
    return response.status_code, response.headers.get("Location")


@pytest.mark.parametrize(
    ("path", "status", "to"),
    [
        ("/plain", 200, None),
        ("/slash/", 200, None),
        ("/slash", 308, "/slash/"),
        ("/plain/", 404, None),
        ("/deep/er/slash", 308, "/deep/er/slash/"),
        ("//plain", 308, "/plain"),
        ("/deep//er///path", 308, "/deep/er/path"),
        ("/deep//er/slash", 308, "/deep/er/slash/"),
        ("/deep//er/slash//", 308, "/deep/er/slash/"),
        ("/item/1", 200, None),
        ("/thing/1", 308, "/thing/1/"),
        ("/missing", 404, None),
        ("/", 404, None),
        ("//", 404, None),
        ("/slash?a=b&c=%20", 308, "/slash/?a=b&c=%20"),
        ("//plain?x=//", 308, "/plain?x=//"),
        ("/thing/a%20b", 308, "/thing/a%20b/"),
        ("/thing/%C3%A9", 308, "/thing/%C3%A9/"),
        ("/thing/a%2Fb", 308, "/thing/a%2Fb/"),
    ],
)
async def test_default(backend: Backend, path: str, status: int, to: str | None) -> None:
    """Slashes are merged and one is appended; the query stays."""
    assert await location(backend, path) == (status, to)


@pytest.mark.parametrize(
    ("path", "status", "to"),
    [
        ("/plain/", 308, "/plain"),
        ("/plain", 200, None),
        ("/slash", 404, None),
        ("/slash/", 200, None),
        ("//deep/er//path/", 308, "/deep/er/path"),
        ("/item/1/", 308, "/item/1"),
        ("/plain/?a=b", 308, "/plain?a=b"),
        ("/plain///", 308, "/plain"),
    ],
)
async def test_remove_slash(backend: Backend, path: str, status: int, to: str | None) -> None:
    assert await location(backend, path, append_slash=False, remove_slash=True) == (status, to)


@pytest.mark.parametrize(
    ("path", "status", "to"),
    [
        ("/slash", 308, "/slash/"),
        ("//plain", 404, None),
        ("/deep//er/path", 404, None),
        ("/deep//er/slash", 404, None),
    ],
)
async def test_no_merging(backend: Backend, path: str, status: int, to: str | None) -> None:
    assert await location(backend, path, merge_slashes=False) == (status, to)


@pytest.mark.parametrize(
    ("path", "status", "to"),
    [
        ("/slash", 404, None),
        ("/plain/", 404, None),
        ("//plain", 308, "/plain"),
        ("/deep//er/slash/", 308, "/deep/er/slash/"),
        ("/deep//er/slash", 404, None),
    ],
)
async def test_merging_only(backend: Backend, path: str, status: int, to: str | None) -> None:
    assert await location(backend, path, append_slash=False, remove_slash=False) == (status, to)


async def test_nothing_to_do(backend: Backend) -> None:
    options = {"append_slash": False, "remove_slash": False, "merge_slashes": False}
    assert await location(backend, "/slash", **options) == (404, None)
    assert await location(backend, "//plain", **options) == (404, None)
    assert await location(backend, "/plain", **options) == (200, None)


def test_append_and_remove_exclude_each_other(web: Any) -> None:
    with pytest.raises((AssertionError, ValueError)):
        web.normalize_path_middleware(append_slash=True, remove_slash=True)


@pytest.mark.parametrize(
    ("name", "status"),
    [("HTTPMovedPermanently", 301), ("HTTPFound", 302), ("HTTPTemporaryRedirect", 307), ("HTTPPermanentRedirect", 308)],
)
async def test_redirect_class(backend: Backend, name: str, status: int) -> None:
    assert await location(backend, "/slash", redirect_class=getattr(backend.web, name)) == (status, "/slash/")


async def test_every_method_is_redirected(backend: Backend) -> None:
    async with backend.client(normalizing(backend.web, PATHS)) as client:
        response = await client.post("/slash", content=b"body")
    assert (response.status_code, response.headers["Location"]) == (308, "/slash/")


async def test_method_that_is_not_allowed_there(backend: Backend) -> None:
    web = backend.web

    async def answer(request: Any) -> Any:
        return web.Response()

    app = web.Application(middlewares=[web.normalize_path_middleware()])
    app.router.add_get("/slash/", answer)
    async with backend.client(app) as client:
        assert (await client.post("/slash")).status_code == 404
        assert (await client.post("/slash/")).status_code == 405


async def test_redirect_is_followed(backend: Backend) -> None:
    async with backend.client(normalizing(backend.web, PATHS)) as client:
        response = await client.get("/slash?a=1", follow_redirects=True)
    assert (response.status_code, response.text) == (200, "/slash/?a=1")


@pytest.mark.parametrize(
    "path",
    [
        "//evil.example/slash",
        "///evil.example",
        "//evil.example//",
        "//evil.example/..",
        "//evil.example%2F..",
        "/%2Fevil.example",
    ],
)
async def test_s06_redirect_stays_on_the_host(backend: Backend, path: str) -> None:
    """CVE-2021-21330: a path that begins with two slashes must not become a reference to another host."""
    app = normalizing(backend.web, ["/{tail:.*}/"])
    async with backend.client(app) as client:
        response = await client.get(raw(client, path))
    target = response.headers.get("Location", "/")
    assert target.startswith("/")
    assert not target.startswith(("//", "/\\"))


async def test_sub_application_has_its_own(backend: Backend) -> None:
    web = backend.web
    app = web.Application()
    app.add_subapp("/sub", normalizing(web, ["/slash/"]))
    async with backend.client(app) as client:
        response = await client.get("/sub/slash")
        assert (response.status_code, response.headers["Location"]) == (308, "/sub/slash/")
        assert (await client.get("/slash")).status_code == 404


async def test_outer_application_normalizes_for_the_inner(backend: Backend) -> None:
    web = backend.web
    app, sub = web.Application(middlewares=[web.normalize_path_middleware()]), web.Application()

    async def answer(request: Any) -> Any:
        return web.Response()

    sub.router.add_get("/slash/", answer)
    app.add_subapp("/sub", sub)
    async with backend.client(app) as client:
        response = await client.get(raw(client, "/sub//slash"))
    assert (response.status_code, response.headers["Location"]) == (308, "/sub/slash/")


async def test_matched_paths_are_left_alone(backend: Backend) -> None:
    """A route may have double slashes, and a tail takes everything."""
    async with backend.client(normalizing(backend.web, ["/a//b", "/tail/{tail:.*}"])) as client:
        assert (await client.get(raw(client, "/a//b"))).status_code == 200
        assert (await client.get(raw(client, "/tail//x//"))).status_code == 200


async def test_not_found_of_a_handler_is_left_alone(backend: Backend) -> None:
    web = backend.web

    async def missing(request: Any) -> Any:
        raise web.HTTPNotFound(text="no such item")

    app = normalizing(web, ["/item/{x}/"])
    app.router.add_get("/item/{x}", missing)
    async with backend.client(app) as client:
        assert (await client.get("/item/1")).text == "no such item"


async def test_is_a_middleware(web: Any) -> None:
    """The factory's result goes into `middlewares=` as it is; the router itself knows nothing of it."""
    app = web.Application(middlewares=[web.normalize_path_middleware()])
    assert (await resolve(app, web, "GET", "//x")).http_exception.status == 404

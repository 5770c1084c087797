"""Static resources: what is found below a folder, and how sites and single-page applications are served."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from framework import web
from framework.routing.matcher import Irregular, Matcher
from framework.test_utils import make_mocked_request
from tests.driver import Driver


def site(folder: Path) -> Path:
    (folder / "docs" / "empty").mkdir(parents=True)
    (folder / "assets").mkdir()
    (folder / "index.html").write_text("home")
    (folder / "404.html").write_text("lost ☃")
    (folder / "docs" / "index.html").write_text("docs")
    (folder / "assets" / "app.js").write_text("code")
    return folder


def app_of(folder: Path, prefix: str = "/static", **options: Any) -> web.Application:
    app = web.Application()
    app.router.add_static(prefix, folder, **options)
    return app


async def ask(app: web.Application, target: str, accept: str | None = None, **options: Any) -> Driver:
    headers = [(b"host", b"example.com")]
    if accept is not None:
        headers.append((b"accept", accept.encode()))
    return await Driver.http(app, target=target, headers=headers, **options).run()


# Files


async def test_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("content")
    driver = await ask(app_of(tmp_path), "/static/a.txt")
    assert (driver.status, driver.body) == (200, b"content")
    assert driver.headers[b"content-type"] == b"text/plain"


async def test_head(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("content")
    driver = await Driver.http(app_of(tmp_path), "HEAD", "/static/a.txt").run()
    assert (driver.status, driver.body) == (200, b"")
    assert driver.headers[b"content-length"] == b"7"


@pytest.mark.parametrize("name", ["é x.txt", "100%.txt", "a?b#c", "a;b=c&d", "%2e%2e", "back\\slash", "~", "a:b"])
async def test_the_url_of_a_file_leads_to_it(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("content")
    app = app_of(tmp_path, name="files")
    driver = await ask(app, str(app.router["files"].url_for(filename=name)))
    assert (driver.status, driver.body) == (200, b"content")


@pytest.mark.parametrize("name", ["missing", "a.txt/x", "x" * 300, "x/" * 3000, "%FF", "dangling", "loop"])
async def test_what_is_not_there_is_a_404(name: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").touch()
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for follow_symlinks in (False, True):
        driver = await ask(app_of(tmp_path, follow_symlinks=follow_symlinks), f"/static/{name}")
        assert (driver.status, driver.body) == (404, b"404: Not Found")


async def test_a_surrogate_that_no_octet_stands_for_is_a_404(tmp_path: Path) -> None:
    driver = Driver.http(app_of(tmp_path), path="/static/\ud800")
    del driver.scope["raw_path"]
    assert (await driver.run()).status == 404


async def test_special_files_are_refused_and_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "fifo")
    monkeypatch.chdir(tmp_path)  # the path of a socket has little room
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        (tmp_path / "device").symlink_to("/dev/null")
        app = app_of(tmp_path, follow_symlinks=True)
        for name in ("fifo", "socket", "device"):
            assert (await ask(app, f"/static/{name}")).status == 403


async def test_a_directory_is_refused(tmp_path: Path) -> None:
    site(tmp_path)
    for target in ("/static", "/static/", "/static/docs", "/static/docs/"):
        assert (await ask(app_of(tmp_path), target)).status == 403


async def test_a_directory_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Any) -> Any:
        raise PermissionError(13, "Permission denied", path)

    (tmp_path / "a.txt").touch()
    app = app_of(tmp_path)
    monkeypatch.setattr(os, "lstat", refuse)
    assert (await ask(app, "/static/a.txt")).status == 403


async def test_an_error_of_the_disk_is_no_404(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Any) -> Any:
        raise OSError(5, "Input/output error", path)

    (tmp_path / "a.txt").touch()
    app = app_of(tmp_path)
    monkeypatch.setattr(os, "lstat", fail)
    assert (await ask(app, "/static/a.txt")).status == 500


async def test_the_folder_of_the_application_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "release").mkdir()
    (tmp_path / "release" / "a.txt").write_text("content")
    (tmp_path / "current").symlink_to("release")
    assert (await ask(app_of(tmp_path / "current"), "/static/a.txt")).body == b"content"


# In the routing table


async def test_what_middlewares_and_observers_see(tmp_path: Path) -> None:
    seen: list[Any] = []

    @web.middleware
    async def look(request: web.Request, handler: Any) -> web.StreamResponse:
        seen.append((request.match_info["filename"], request.match_info.route.name))
        response: web.StreamResponse = await handler(request)
        response.headers["X-Seen"] = "yes"
        return response

    async def on_prepare(request: web.Request, response: web.StreamResponse) -> None:
        response.headers["X-Prepared"] = "yes"

    (tmp_path / "a b.txt").write_text("content")
    app = app_of(tmp_path, name="files")
    app.middlewares.append(look)
    app.on_response_prepare.append(on_prepare)
    driver = await ask(app, "/static/a%20b.txt")
    assert driver.body == b"content"
    assert seen == [("a b.txt", "files")]
    assert (driver.headers[b"x-seen"], driver.headers[b"x-prepared"]) == (b"yes", b"yes")
    assert driver.scope["route"].path == "/static"
    assert driver.scope["path_params"] == {"filename": "a b.txt"}


async def test_a_middleware_can_answer_what_is_not_there(tmp_path: Path) -> None:
    @web.middleware
    async def own_page(request: web.Request, handler: Any) -> web.StreamResponse:
        try:
            response: web.StreamResponse = await handler(request)
        except web.HTTPNotFound:
            return web.Response(text="own page", status=404)
        return response

    app = app_of(tmp_path)
    app.middlewares.append(own_page)
    driver = await ask(app, "/static/missing")
    assert (driver.status, driver.body) == (404, b"own page")


async def test_a_middleware_may_send_something_else_than_the_file(tmp_path: Path) -> None:
    """The file was opened already: it is closed without being sent, or the warning would fail this test."""

    @web.middleware
    async def teapot(request: web.Request, handler: Any) -> web.StreamResponse:
        await handler(request)
        return web.Response(status=418)

    (tmp_path / "big").write_bytes(bytes(1_000_000))
    app = app_of(tmp_path)
    app.middlewares.append(teapot)
    assert (await ask(app, "/static/big")).status == 418


async def test_in_a_sub_application_below_a_root_path(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("content")
    app = web.Application()
    app.add_subapp("/sub", app_of(tmp_path))
    for target in ("/mnt/sub/static/a.txt", "/sub/static/a.txt"):
        assert (await ask(app, target, root_path="/mnt")).body == b"content"


async def test_a_405_lists_the_methods_of_all(tmp_path: Path) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text="posted")

    app = app_of(tmp_path)
    app.router.add_post("/static/{name}", handler)
    assert (await Driver.http(app, "POST", "/static/a").run()).body == b"posted"
    driver = await Driver.http(app, "PUT", "/static/a").run()
    assert (driver.status, driver.headers[b"allow"]) == (405, b"GET,HEAD,POST")


def test_tables_with_static_resources_are_regular(tmp_path: Path) -> None:
    Matcher(app_of(tmp_path).router, (), lambda route, apps: None)  # type: ignore[arg-type, return-value]

    class Own(web.StaticResource):
        async def resolve(self, request: web.Request) -> Any:
            return None, set()

    router = web.UrlDispatcher()
    router.register_resource(Own("/static", tmp_path))
    with pytest.raises(Irregular):
        Matcher(router, (), lambda route, apps: None)  # type: ignore[arg-type, return-value]


async def test_a_subclass_with_a_handler_of_its_own(tmp_path: Path) -> None:
    class Own(web.StaticResource):
        async def _handle(self, request: web.Request) -> web.StreamResponse:
            request.match_info["filename"] = "a.txt"
            return await super()._handle(request)

    (tmp_path / "a.txt").write_text("content")
    app = web.Application()
    app.router.register_resource(Own("/static", tmp_path))
    assert (await ask(app, "/static/anything")).body == b"content"


# Arguments


@pytest.mark.parametrize(
    "options",
    [
        {"chunk_size": 0},
        {"cache_control": "no-store\r\nX: y"},
        {"fallback": ""},
        {"fallback": "../index.html"},
        {"fallback": "/index.html"},
    ],
    ids=str,
)
def test_arguments_that_make_no_sense(options: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=next(iter(options)) if "cache_control" not in options else "header"):
        app_of(tmp_path, **options)


@pytest.mark.parametrize("prefix", ["", "static", "/static//"])
def test_prefixes_that_make_no_sense(prefix: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="slash"):
        app_of(tmp_path, prefix)


async def test_cache_control(tmp_path: Path) -> None:
    site(tmp_path)
    app = app_of(tmp_path, cache_control="public, max-age=3600")
    driver = await ask(app, "/static/assets/app.js")
    assert driver.headers[b"cache-control"] == b"public, max-age=3600"
    assert b"cache-control" not in (await ask(app, "/static/missing")).headers


async def test_cache_control_by_path(tmp_path: Path) -> None:
    def by_path(path: str) -> str | None:
        return "public, max-age=31536000, immutable" if path.startswith("assets/") else None

    app = app_of(site(tmp_path), "/", cache_control=by_path, html=True)
    assert (await ask(app, "/assets/app.js")).headers[b"cache-control"].endswith(b"immutable")
    assert b"cache-control" not in (await ask(app, "/")).headers


# The hash in the URL


def version(app: web.Application, name: str = "a.txt") -> str | None:
    (resource,) = app.router.resources()
    return resource.url_for(filename=name).query.get("v")


def test_the_hash_follows_the_content(tmp_path: Path) -> None:
    app = app_of(tmp_path, append_version=True)
    (tmp_path / "a.txt").write_text("one")
    first = version(app)
    assert first is not None
    assert version(app) == first
    (tmp_path / "a.txt").write_text("two")
    assert version(app) not in {None, first}


def test_a_file_is_hashed_once(tmp_path: Path) -> None:
    """A file whose time stamp and size have not changed since is not read again."""
    app = app_of(tmp_path, append_version=True)
    (tmp_path / "a.txt").write_text("one")
    os.utime(tmp_path / "a.txt", (1_000_000, 1_000_000))
    first = version(app)
    (tmp_path / "a.txt").write_text("two")
    os.utime(tmp_path / "a.txt", (1_000_000, 1_000_000))
    assert version(app) == first
    os.utime(tmp_path / "a.txt", (1_000_001, 1_000_001))
    assert version(app) != first


def test_what_is_no_file_has_no_hash(tmp_path: Path) -> None:
    app = app_of(site(tmp_path), append_version=True)
    os.mkfifo(tmp_path / "fifo")
    for name in ("missing", "docs", "", "fifo", "a\0b", "x" * 300, "\ud800"):
        assert version(app, name) is None


# Sites


async def test_a_site(tmp_path: Path) -> None:
    app = app_of(site(tmp_path), "/", html=True)
    assert (await ask(app, "/")).body == b"home"
    assert (await ask(app, "/docs/")).body == b"docs"
    assert (await ask(app, "/assets/app.js")).body == b"code"
    assert (await ask(app, "/docs/index.html")).body == b"docs"


async def test_a_site_has_a_page_for_what_is_not_there(tmp_path: Path) -> None:
    app = app_of(site(tmp_path), html=True)
    for target in ("/static/missing", "/static/docs/missing/", "/static/index.html/"):
        driver = await ask(app, target)
        assert (driver.status, driver.body.decode()) == (404, "lost ☃")
        assert driver.headers[b"content-type"] == b"text/html; charset=utf-8"
    (tmp_path / "404.html").unlink()
    assert (await ask(app, "/static/missing")).body == b"404: Not Found"


async def test_a_directory_without_an_index(tmp_path: Path) -> None:
    site(tmp_path)
    assert (await ask(app_of(tmp_path, html=True), "/static/assets/")).status == 403
    assert (await ask(app_of(tmp_path, html=True), "/static/assets")).status == 403
    assert b"app.js" in (await ask(app_of(tmp_path, html=True, show_index=True), "/static/assets")).body


async def test_an_index_wins_over_a_list(tmp_path: Path) -> None:
    assert (await ask(app_of(site(tmp_path), html=True, show_index=True), "/static/docs/")).body == b"docs"


@pytest.mark.parametrize(
    ("prefix", "target", "root_path", "location"),
    [
        ("/static", "/static", "", "/static/"),
        ("/static", "/static/docs", "", "/static/docs/"),
        ("/static", "/static/docs?a=%2F&b", "", "/static/docs/?a=%2F&b"),
        ("/static", "/static/docs%2F", "", "/static/docs/"),
        ("/static", "/static/x/../docs", "", "/static/docs/"),
        ("/", "/docs", "", "/docs/"),
        ("/", "/mnt/docs", "/mnt", "/mnt/docs/"),
        ("/static", "/mnt/static/docs", "/mnt/", "/mnt/static/docs/"),
        # A server that has cut the root_path off
        ("/static", "/static/docs", "/mnt", "/mnt/static/docs/"),
        ("/static", "/static/docs", "/m n/é", "/m%20n/%C3%A9/static/docs/"),
    ],
)
async def test_the_path_of_a_directory_gets_its_slash(
    prefix: str, target: str, root_path: str, location: str, tmp_path: Path
) -> None:
    driver = await ask(app_of(site(tmp_path), prefix, html=True), target, root_path=root_path)
    assert driver.status == 307
    assert driver.headers[b"location"].decode() == location


@pytest.mark.parametrize(
    ("name", "target", "location"),
    [
        ("\\evil.example", "/%5Cevil.example", b"/%5Cevil.example/"),
        ("\\evil.example", "/\\evil.example", b"/%5Cevil.example/"),
        ("evil.example", "/x/..%2f%2fevil.example", b"/evil.example/"),
        ("evil.example", "/.//evil.example", b"/evil.example/"),
        ("evil.example:80", "/evil.example:80", b"/evil.example:80/"),
        ("http:", "/http:%2f", b"/http:/"),
    ],
)
async def test_s06_a_directory_is_no_host(name: str, target: str, location: bytes, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "index.html").touch()
    driver = await ask(app_of(tmp_path, "/", html=True), target)
    assert (driver.status, driver.headers[b"location"]) == (307, location)


async def test_s06_a_root_path_is_no_host(tmp_path: Path) -> None:
    app = app_of(site(tmp_path), "/", html=True)
    for root_path in ("//evil.example", "/\\evil.example", "\\\\evil.example"):
        location = (await ask(app, "/docs", root_path=root_path)).headers[b"location"]
        assert location in {b"/evil.example/docs/", b"/%5Cevil.example/docs/", b"/%5C%5Cevil.example/docs/"}


@pytest.mark.parametrize("query", [b"\r\nSet-Cookie: a=b", b"\x00", b"\xff", b"a=\tb"])
async def test_s08_the_query_of_a_redirect_ends_no_header(query: bytes, tmp_path: Path) -> None:
    driver = await ask(app_of(site(tmp_path), html=True), "/static/docs", query_string=query)
    assert driver.headers[b"location"] == b"/static/docs/?" + quote(query, safe=" =:").replace(" ", "%20").encode()


# Single-page applications

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


async def test_a_single_page_application(tmp_path: Path) -> None:
    app = app_of(site(tmp_path), "/", fallback="index.html")
    for target in ("/", "/users/1", "/users/1/", "/docs", "/a.b/c"):
        driver = await ask(app, target, BROWSER)
        assert (driver.status, driver.body) == (200, b"home")
        assert driver.headers[b"content-type"] == b"text/html"
        assert b"Accept" in driver.headers[b"vary"]
    assert (await ask(app, "/assets/app.js", BROWSER)).body == b"code"


async def test_a_missing_file_with_a_suffix_stays_missing(tmp_path: Path) -> None:
    app = app_of(site(tmp_path), "/", fallback="index.html")
    for target in ("/assets/missing.js", "/favicon.ico", "/v1.2", "/.env"):
        assert (await ask(app, target, BROWSER)).status == 404


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        (None, 200),
        ("*/*", 200),
        ("text/*", 200),
        ("text/html;level=1;q=0.1", 200),
        (" TEXT/HTML ;Q=0.1", 200),
        ("application/json, text/plain", 404),
        ("application/json", 404),
        ("image/*", 404),
        ("text/html;q=0", 404),
        ("text/html; q=0.000, */*", 404),
        ("text/*;q=0, */*", 404),
        ("text/html, */*;q=0", 200),
        ("", 200),
        (";;q,,=", 404),
    ],
)
async def test_who_gets_the_page(accept: str | None, status: int, tmp_path: Path) -> None:
    app = app_of(site(tmp_path), "/", fallback="index.html")
    driver = await ask(app, "/users", accept)
    assert driver.status == status
    assert b"Accept" in driver.headers[b"vary"]


async def test_other_routes_come_first(tmp_path: Path) -> None:
    async def users(request: web.Request) -> web.Response:
        return web.json_response([])

    app = app_of(site(tmp_path), "/", fallback="index.html")
    app.router.add_get("/api/users", users)
    assert (await ask(app, "/api/users", BROWSER)).body == b"[]"
    assert (await ask(app, "/api/other", BROWSER)).body == b"home"


async def test_a_fallback_that_is_not_there(tmp_path: Path) -> None:
    app = app_of(tmp_path, "/", fallback="index.html")
    assert (await ask(app, "/users", BROWSER)).status == 404
    assert (await ask(app, "/", BROWSER)).status == 403


async def test_a_site_that_is_a_single_page_application_too(tmp_path: Path) -> None:
    app = app_of(site(tmp_path), "/", html=True, fallback="index.html")
    assert (await ask(app, "/docs/", BROWSER)).body == b"docs"
    assert (await ask(app, "/users", BROWSER)).body == b"home"
    driver = await ask(app, "/missing.js", BROWSER)
    assert (driver.status, driver.body.decode()) == (404, "lost ☃")


# How the file system is asked


async def test_one_hop_to_a_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    (tmp_path / "a.txt").write_text("content")
    app = app_of(tmp_path)
    await ask(app, "/static/a.txt")
    hops: list[Any] = []
    loop = asyncio.get_running_loop()
    run_in_executor: Callable[..., Any] = loop.run_in_executor

    def counted(*arguments: Any) -> Any:
        hops.append(arguments)
        return run_in_executor(*arguments)

    monkeypatch.setattr(loop, "run_in_executor", counted)
    assert (await ask(app, "/static/a.txt")).body == b"content"
    assert len(hops) == 1


def test_match_info_of_the_router(tmp_path: Path) -> None:
    import asyncio

    request = make_mocked_request("GET", "/static/a%2Fb")
    info = asyncio.run(app_of(tmp_path).router.resolve(request))
    assert dict(info) == {"filename": "a/b"}

"""Random routing tables and paths, asked of aiohttp's router and of ours: the answers are the same.

Ours is asked twice, by `app.router.resolve(request)` and through the ASGI callable, which matches by other code.
"""

from __future__ import annotations

import asyncio
import functools
import importlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import aiohttp.web
from aiohttp.test_utils import make_mocked_request as make_aiohttp_request
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from yarl import URL

from framework.test_utils import make_mocked_request

framework_web: Any = importlib.import_module("framework.web")
aiohttp_web: Any = aiohttp.web

steady = settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

# Routing tables


@dataclass(frozen=True)
class Route:
    method: str
    path: str
    name: str | None = None
    allow_head: bool = True


@dataclass(frozen=True)
class Mount:
    """A sub-application below a prefix or, where the prefix has no slash, for a domain."""

    prefix: str
    table: Table


@dataclass(frozen=True)
class Static:
    """A folder of files below a prefix; empty for the root."""

    prefix: str


Table = tuple["Route | Mount | Static", ...]
Request = tuple[str, str, str]  # method, raw path, host

LITERALS = ("a", "b", "ab", "a.b", "v1", "1", "a-b", "x+y")
PARTS = (
    "{}",
    r"{:\d+}",
    "{:[a-z]+}",
    "{:a|b}",
    "{:[^/]+}",
    r"{:\w*}",
    r"{:\d{2}}",
    "{:(?:ab)?}",
    "{:[é%]+}",
    "v{}.json",
    "a{}",
    "{}b",
    "{}{}",
    "{}-{}",
    r"{:\d+}.{}",
    r"{:\S+}",
    "{:.*}",
    "{:.+}",
    "{:.*}x",
    "{:(?i:AB)}",
    "{:a/b}",
    "{:[^x]+}",
)
UNICODE_LITERALS = ("é", "a b", "a%2Fb", "a%25b", "%61", "%C3%A9", "")


def named(parts: list[str]) -> str:
    """A template whose dynamic parts have the names x0, x1, …"""
    numbers = iter(range(100))
    return re.sub(r"\{(?=[:}])", lambda match: f"{{x{next(numbers)}", "/" + "/".join(parts))


def mostly(usual: st.SearchStrategy[Any], rare: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.integers(0, 5).flatmap(lambda number: usual if number else rare)


literal = st.sampled_from(LITERALS)
plain_paths = st.lists(literal | st.sampled_from(UNICODE_LITERALS), max_size=4).map(lambda parts: "/" + "/".join(parts))
templates = st.lists(literal | st.sampled_from(PARTS) | st.just("{}"), min_size=1, max_size=4).map(named)
slashed = templates.map(lambda path: path + "/")
paths = plain_paths | mostly(templates, slashed)
routes = st.builds(
    Route,
    st.sampled_from(["GET", "GET", "POST", "PUT", "HEAD", "*", "purge"]),
    paths,
    mostly(st.none(), st.sampled_from(["one", "two", "three"])),
    st.booleans(),
)
prefixes = st.lists(literal, min_size=1, max_size=2).map(lambda parts: "/" + "/".join(parts)) | st.just("/a/")
inner_routes = mostly(routes, st.builds(Route, st.just("GET"), st.just("")))
statics = st.builds(Static, prefixes.map(lambda prefix: prefix.rstrip("/")) | st.just(""))
innermost = st.lists(mostly(inner_routes, statics), max_size=4).map(tuple)
inner = st.lists(mostly(inner_routes, st.builds(Mount, prefixes, innermost) | statics), max_size=4).map(tuple)
domains = st.sampled_from(["a.example", "*.example", "b.example:81", "b.*"])
mounts = st.builds(Mount, mostly(prefixes, domains), inner)
tables = st.lists(mostly(routes, mounts | statics), max_size=8).map(tuple)


def flat(table: Table, prefix: str = "") -> Iterator[tuple[str, str]]:
    """The method and path of all routes of a table."""
    for entry in table:
        if isinstance(entry, Route):
            yield entry.method.upper(), prefix + entry.path
        elif isinstance(entry, Static):
            yield "GET", f"{prefix}{entry.prefix}/{{name:.*}}"
        else:
            yield from flat(entry.table, prefix + (entry.prefix.rstrip("/") if entry.prefix[0] == "/" else ""))


# Requests

VALUES = (
    *LITERALS,
    "",
    "12",
    "AB",
    "v7.json",
    "a%2Fb",
    "%2f",
    "100%25",
    "%252F",
    "a%20b",
    "%C3%A9",
    "%c3%a9%25",
    "%F0%9F%8E%89",
    "%FF",
    "%7Bx%7D",
    "{x}",
    "%61",
    "%00",
    ".",
    "..",
    "a;b=c",
    "a:b@c",
    "%3F%23",
    "a/b",
    "1.2",
    "%0A",
    "%5C",
)
PART = re.compile(r"\{\w+(?::(?P<regex>[^{}]*(?:\{[^{}]*\}[^{}]*)*))?\}")
methods = st.sampled_from(["GET", "POST", "PUT", "HEAD", "PURGE", "OPTIONS"])
hosts = st.sampled_from(
    [
        "localhost",
        "localhost",
        "a.example",
        "b.example:81",
        "b.example",
        "A.Example:80",
        "b.x.example",
        "a.example.",
    ]
)


@functools.cache
def fitting(regex: str) -> tuple[str, ...]:
    """Values for a part, most of which its expression matches."""
    return (*(value for value in VALUES if re.fullmatch(regex, unquote(value))), "", "a", "%2F")


@st.composite
def requests_for(draw: st.DrawFn, table: Table) -> Request:
    """A request that has a chance to be answered: a path of the table, filled in and perhaps spoiled."""
    known = list(flat(table))
    method = draw(methods)
    is_guess = draw(st.integers(0, 7)) == 0
    if known and not is_guess:
        own_method, template = draw(st.sampled_from(known))
        if own_method != "*" and draw(st.integers(0, 3)):
            method = own_method
        path = PART.sub(lambda match: draw(st.sampled_from(fitting(match["regex"] or "[^/]+"))), template)
        path = path.replace("é", "%C3%A9").replace(" ", "%20")
    else:
        path = "/" + "/".join(draw(st.lists(st.sampled_from(VALUES), max_size=5)))
    spoil = draw(st.integers(0, 15))
    if spoil == 0:
        path += "/"
    elif spoil == 1:
        path = path[:-1]
    elif spoil == 2:
        path = "/" + path
    elif spoil == 3:
        path = path.replace("/", "//", 1)
    if not path.startswith("/"):
        path = "/" + path
    return method, path, draw(hosts)


@st.composite
def tables_with_requests(draw: st.DrawFn) -> tuple[Table, list[Request]]:
    table = draw(tables)
    return table, draw(st.lists(requests_for(table), min_size=1, max_size=8))


# Asking

Answer = tuple[Any, ...]


def build(web: Any, table: Table, log: list[object], numbers: Iterator[int]) -> Any:
    """The application of a table; `log` takes what registering raised."""
    app = web.Application()
    for entry in table:
        try:
            if isinstance(entry, Mount):
                sub = build(web, entry.table, log, numbers)
                if entry.prefix.startswith("/"):
                    log.append(app.add_subapp(entry.prefix, sub).canonical)
                else:
                    app.add_domain(entry.prefix, sub)
            elif isinstance(entry, Static):
                resource = static_class(web)(entry.prefix, Path(__file__).parent)
                resource.number = next(numbers)
                app.router.register_resource(resource)
            else:
                handler = answering(web, next(numbers))
                if entry.method == "GET":
                    app.router.add_get(entry.path, handler, name=entry.name, allow_head=entry.allow_head)
                else:
                    app.router.add_route(entry.method, entry.path, handler, name=entry.name)
        except (ValueError, RuntimeError, KeyError) as exc:
            log.append(type(exc).__name__)
    return app


def answering(web: Any, number: int) -> Any:
    async def handler(request: Any) -> Any:
        info = request.match_info
        return web.Response(headers={"X-Match": json.dumps([number, info.route.method, dict(info)])})

    handler.number = number  # type: ignore[attr-defined]
    return handler


@functools.cache
def static_class(web: Any) -> Any:
    """Static resources that answer as the handlers of routes do."""

    class NumberedResource(web.StaticResource):  # type: ignore[misc]
        async def _handle(self, request: Any) -> Any:
            return await answering(web, number_of(self._handle))(request)

    return NumberedResource


def number_of(handler: Any) -> Any:
    return handler.number if hasattr(handler, "number") else handler.__self__.number


def told(info: Any) -> Answer:
    """What a match info says, in words that do not depend on the package."""
    exception = info.http_exception
    if exception is None:
        return (200, number_of(info.handler), info.route.method, dict(info))
    if exception.status == 405:
        return (405, sorted(exception.allowed_methods))
    return (exception.status,)


aiohttp_request = make_aiohttp_request("GET", "/")


async def ask_aiohttp(app: Any, method: str, path: str, host: str) -> Answer:
    # As aiohttp's parser reads a request line: the path is taken for encoded, and "//" for no host.
    request = aiohttp_request.clone(method=method, rel_url=URL.build(path=path, encoded=True), headers={"Host": host})
    return told(await app.router.resolve(request))


async def ask_router(app: Any, method: str, path: str, host: str) -> Answer:
    return told(await app.router.resolve(make_mocked_request(method, path, headers={"Host": host})))


async def ask_asgi(app: Any, method: str, path: str, host: str) -> Answer:
    """The answer that the ASGI callable sends."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode("ascii"),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", host.encode())],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 80),
    }
    await app(scope, receive, send)
    headers = {name.lower().decode(): value.decode() for name, value in sent[0]["headers"]}
    status = sent[0]["status"]
    if status == 200:
        return (200, *json.loads(headers["x-match"]))
    if status == 405:
        return (405, headers["allow"].split(","))
    return (status,)


def both(table: Table) -> tuple[Any, Any]:
    """The table built on aiohttp and on us, ready to be asked."""
    theirs_log: list[object] = []
    ours_log: list[object] = []
    theirs = build(aiohttp_web, table, theirs_log, iter(range(1000)))
    ours = build(framework_web, table, ours_log, iter(range(1000)))
    assert ours_log == theirs_log
    theirs.freeze()
    return theirs, ours


def listing(app: Any) -> list[Any]:
    return [
        (route.method, number_of(route.handler), route.name, route.resource.canonical) for route in app.router.routes()
    ]


# Properties


def route(path: str, method: str = "POST") -> Route:
    return Route(method, path)


@steady
@given(tables_with_requests())
@example(((route("/{x0}/a"), route("/b/{x0:.*}")), [("POST", "/b/a", ""), ("POST", "//a", ""), ("GET", "/b/a", "")]))
@example(((route("/a/{x0}"), route("/{x0:.*}", "*")), [("GET", "/a/b", ""), ("POST", "/a/%2F", "")]))
@example(((route("/{x0}"), Mount("/a", (route("/b"), route("")))), [("POST", "/a", ""), ("POST", "/a/c", "")]))
@example(((route("/{x0:.*}"), route("/a/b/c/{x0}")), [("POST", "/a/b/c/", ""), ("POST", "////", "")]))
@example(
    ((route("/{x0}"), Mount("a.example", (route("/b"),))), [("POST", "/b", "a.example"), ("POST", "/c", "a.example")])
)
@example(
    (
        (Static("/a"), route("/a/b"), route("/{x0:.*}", "*"), Static("")),
        [
            (method, f"/a/{name}", "")
            for method in ("GET", "POST")
            for name in ("", "b", "../a", "%2e%2e/a", "b%2F..", "/")
        ],
    )
)
@example(
    (
        (Mount("/a", (Static("/b"),)), Static("/a/b")),
        [("GET", "/a/b/c", ""), ("POST", "/a/b", ""), ("HEAD", "/a/b", "")],
    )
)
def test_resolution(case: tuple[Table, list[Request]]) -> None:
    """The route, its match_info, 404 or 405, and the allowed methods."""
    table, requests = case
    theirs, ours = both(table)

    async def ask() -> None:
        for method, path, host in requests:
            expected = await ask_aiohttp(theirs, method, path, host)
            assert await ask_router(ours, method, path, host) == expected, f"resolve {method} {path} for {host}"
        for method, path, host in requests:
            expected = await ask_aiohttp(theirs, method, path, host)
            assert await ask_asgi(ours, method, path, host) == expected, f"ASGI {method} {path} for {host}"
            # The router of a running application is frozen, and may answer from prepared tables.
            assert await ask_router(ours, method, path, host) == expected, f"frozen {method} {path} for {host}"

    asyncio.run(ask())


@steady
@given(tables)
def test_listing(table: Table) -> None:
    """What the router says of itself: routes, names, in order."""
    theirs, ours = both(table)
    assert listing(ours) == listing(theirs)
    assert list(ours.router) == list(theirs.router)
    assert len(ours.router.resources()) == len(theirs.router.resources())
    for mine, other in zip(ours.router.resources(), theirs.router.resources(), strict=True):
        assert type(mine).__name__ == type(other).__name__
        assert (mine.name, len(mine)) == (other.name, len(other))
        if "rule" not in other.get_info():  # for a domain it is a regular expression of the router's own
            assert mine.canonical == other.canonical
        assert mine.get_info().keys() == other.get_info().keys()
        assert mine.get_info().get("pattern") == other.get_info().get("pattern")


texts = st.sampled_from([unquote(value) for value in VALUES]) | st.text(max_size=5).filter(
    lambda text: not re.search("[\ud800-\udfff]", text)
)


@steady
@given(templates | plain_paths, prefixes | st.none(), st.lists(texts, min_size=10, max_size=10))
def test_url_for(path: str, prefix: str | None, values: list[str]) -> None:
    """The same URL for the same values, and what the URL leads to."""
    table: Table = (Route("POST", path, "one"),)
    if prefix is not None:
        table = (Mount(prefix, table),)
    theirs, ours = both(table)
    names = re.findall(r"\{(x\d+)", path)
    given_values = dict(zip(names, values, strict=False))
    urls = []
    for app in (theirs, ours):
        (first,) = app.router.routes()
        try:
            urls.append(first.url_for(**given_values))
        except ValueError as exc:
            urls.append(type(exc))
    expected, got = urls
    assert str(got) == str(expected)
    if isinstance(got, URL) and got.raw_path.isascii() and got.raw_path.startswith("/"):
        raw_path = got.raw_path

        async def ask() -> None:
            answer = await ask_aiohttp(theirs, "POST", raw_path, "localhost")
            assert await ask_router(ours, "POST", raw_path, "localhost") == answer
            assert await ask_asgi(ours, "POST", raw_path, "localhost") == answer

        asyncio.run(ask())


@steady
@given(st.text(alphabet="/{}ab:.*d\\[]()+?| é%-1_", max_size=12).map(lambda text: "/" + text))
@example("/{a:{}}")
@example(r"/{a:\d{2}}{b}")
@example("/{a:a{1,2}b{3}}")
@example("/{a}{a}")
@example("/{a:}")
@example("/a{b:(}")
@example("/{a:(?P<b>c)}")
@example("/{a:b}}")
@example("/é /{a}")
def test_templates(path: str) -> None:
    """What is a template, what a plain path, and what is refused."""
    said: list[tuple[Any, ...]] = []
    for web in (aiohttp_web, framework_web):
        try:
            resource = web.Application().router.add_resource(path)
        except ValueError as exc:
            said.append((type(exc).__name__, str(exc)[:8]))
        else:
            info = resource.get_info()
            said.append((type(resource).__name__, resource.canonical, info.get("pattern", info.get("path"))))
    assert said[0] == said[1]

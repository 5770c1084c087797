"""S33: tracebacks are for those who ask for them, and what shows them runs nothing."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from collections.abc import Awaitable, Callable
from html.parser import HTMLParser
from typing import NoReturn

import pytest

from framework import web
from tests.driver import Driver

HTML = (b"accept", b"text/html")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Confidential(Exception):
    """Its name tells something as well."""


async def fail(request: web.Request) -> NoReturn:
    confidential_local = "confidential variable"  # noqa: F841 - shown by a debug page
    exc = Confidential("confidential message")
    exc.add_note("confidential note")
    raise exc from ValueError("confidential cause")


def in_a_handler(app: web.Application) -> None:
    app.router.add_get("/", fail)


def in_a_middleware(app: web.Application) -> None:
    @web.middleware
    async def broken(request: web.Request, handler: Handler) -> web.StreamResponse:
        return await fail(request)

    app.middlewares.append(broken)


def in_a_signal(app: web.Application) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response()

    async def broken(request: web.Request, response: web.StreamResponse) -> None:
        await fail(request)

    app.router.add_get("/", handler)
    app.on_response_prepare.append(broken)


def in_an_exception_handler(app: web.Application) -> None:
    async def broken(request: web.Request, exc: Confidential) -> web.Response:
        await fail(request)

    app.router.add_get("/", fail)
    app.add_exception_handler(Confidential, broken)


def in_a_subapplication(app: web.Application) -> None:
    inner = web.Application(debug=True)
    inner.router.add_get("/", fail)
    app.add_subapp("/sub", inner)


PLACES = [in_a_handler, in_a_middleware, in_a_signal, in_an_exception_handler, in_a_subapplication]


@pytest.mark.parametrize("accept", [b"text/html", b"*/*", b"application/json"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("debug", [False, ...])
@pytest.mark.parametrize("place", PLACES)
async def test_s33_without_debug_nothing_is_told(
    place: Callable[[web.Application], None], debug: bool, method: str, accept: bytes
) -> None:
    app = web.Application(debug=debug)
    place(app)
    target = "/sub/" if place is in_a_subapplication else "/"
    driver = await Driver.http(app, method=method, target=target, headers=[(b"accept", accept)]).run()
    assert driver.status == 500
    told = repr((driver.headers, driver.body))
    for trace in ("onfidential", "Traceback", ".py", "ValueError", "line "):
        assert trace not in told
    assert b"content-security-policy" not in driver.headers


async def test_s33_a_websocket_is_told_nothing_either() -> None:
    app = web.Application()
    in_a_handler(app)
    driver = await Driver.websocket(app, extensions={"websocket.http.response": {}}).run()
    assert driver.status == 500
    assert b"onfidential" not in driver.body
    assert b"Traceback" not in driver.body


async def test_s33_an_application_that_says_no_is_not_overruled_by_its_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asyncio.get_running_loop(), "get_debug", lambda: True)
    app = web.Application(debug=False)
    in_a_handler(app)
    driver = await Driver.http(app, headers=[HTML]).run()
    assert b"onfidential" not in driver.body


# In debug mode


class Elements(HTMLParser):
    """What a page is made of: its elements with their attributes, and its texts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[str] = set()
        self.texts: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes.update(name for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


EXPECTED_ELEMENTS = {
    *("html", "head", "meta", "title", "style", "body", "header", "main", "section", "footer", "div", "p"),
    *("h1", "h2", "h3", "h4", "pre", "code", "b", "span", "mark", "details", "summary"),
    *("table", "caption", "tr", "th", "td"),
}
EXPECTED_ATTRIBUTES = {
    *("lang", "charset", "name", "content", "class", "id", "aria-labelledby", "open", "tabindex", "scope"),
    "data-number",
}

HOSTILE = (
    """<script>alert(1)</script><img src=x onerror=alert(1)>"'></pre></style></title><a href="javascript:1">&lt;"""
)


async def page_of(app: web.Application, target: str = "/", *headers: tuple[bytes, bytes]) -> Driver:
    driver = await Driver.http(app, target=target, headers=[HTML, *headers]).run()
    assert driver.status == 500
    return driver


def raising(exc: BaseException, path: str = "/") -> web.Application:
    async def handler(request: web.Request) -> web.Response:
        name = HOSTILE  # noqa: F841 - shown as a variable
        raise exc

    app = web.Application(debug=True)
    app.router.add_get(path, handler)
    return app


async def test_s33_whatever_it_shows_is_escaped() -> None:
    kind = type(HOSTILE, (Exception,), {"__module__": HOSTILE})
    exc = kind(HOSTILE)
    exc.add_note(HOSTILE)
    member = SyntaxError(HOSTILE, (HOSTILE, 1, 2, HOSTILE))
    member.__cause__ = KeyError(HOSTILE)
    exc.__cause__ = ExceptionGroup(HOSTILE, [member])
    source = f"def f():\n    raise ValueError('''{HOSTILE}''')\n"
    try:
        names: dict[str, Callable[[], None]] = {}
        exec(compile(source, HOSTILE, "exec"), names)
        names["f"]()
    except ValueError as written:
        exc.__cause__.__context__ = written
    app = raising(exc, "/{name}")
    hostile = HOSTILE.encode()
    page = await page_of(
        app, "/%3Cscript%3E?<script>=<img>&a=%3Cimg%3E", (b"x-a", hostile), (b"cookie", hostile), (b"<x>", b"1")
    )
    elements = Elements(page.body.decode())
    assert elements.names == EXPECTED_ELEMENTS
    assert elements.attributes == EXPECTED_ATTRIBUTES
    assert sum(HOSTILE in text for text in elements.texts) >= 6


async def test_s33_nothing_in_it_runs_or_comes_from_elsewhere() -> None:
    driver = await page_of(raising(LookupError("x")))
    page = driver.body.decode()
    assert Elements(page).names <= EXPECTED_ELEMENTS
    assert not re.search(
        r"https?:|//|url\(|@import|javascript:|\son\w+=|\sstyle=", re.sub(r"<(?:td|pre).*?</", "", page)
    )
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    policy = driver.headers[b"content-security-policy"].decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


@pytest.mark.parametrize("accept", [b"text/html", b"*/*"])
async def test_s33_it_is_neither_stored_nor_taken_for_something_else(accept: bytes) -> None:
    driver = await Driver.http(raising(LookupError()), headers=[(b"accept", accept)]).run()
    assert driver.headers[b"cache-control"] == b"no-store"
    assert driver.headers[b"x-content-type-options"] == b"nosniff"
    assert driver.headers[b"referrer-policy"] == b"no-referrer"


async def test_s33_secrets_of_the_request_are_masked() -> None:
    app = raising(LookupError("x"))
    secrets = [
        (b"authorization", b"Bearer hidden-1"),
        (b"proxy-authorization", b"hidden-2"),
        (b"cookie", b"session=hidden-3; theme=hidden-4"),
        (b"set-cookie", b"a=hidden-5"),
        (b"x-api-key", b"hidden-6"),
        (b"referer", b"http://a/?access_token=hidden-7"),
    ]
    target = "/?password=hidden-8&page=shown-1"
    page = (await page_of(app, target, *secrets, (b"x-other", b"shown-2"))).body
    text = (await Driver.http(app, target=target, headers=secrets).run()).body
    assert b"hidden-" not in page
    assert b"hidden-" not in text
    assert b"shown-1" in page
    assert b"shown-2" in page
    assert b"shown-1" in text


async def test_s33_no_code_of_the_program_runs_for_its_variables() -> None:
    ran = []

    class Object:
        def __repr__(self) -> str:
            ran.append(self)
            return "<script>"

    async def handler(request: web.Request) -> web.Response:
        thing, things, text = Object(), [Object()], "plain"  # noqa: F841
        password = "hidden" * 1  # noqa: F841
        raise LookupError

    app = web.Application(debug=True)
    app.router.add_get("/", handler)
    page = (await page_of(app)).body.decode()
    assert ran == []
    assert '<th scope="row">thing</th><td>&lt;' in page
    assert '<th scope="row">text</th><td>&#x27;plain&#x27;</td>' in page
    assert '<th scope="row">password</th><td>••••••</td>' in page


@pytest.mark.parametrize("accept", [b"text/html", b"*/*"])
async def test_s33_control_characters_are_shown_as_escapes(accept: bytes) -> None:
    app = raising(ValueError("\x1b]0;title\x07 \x00 \x9b31m \u202e \r end"))
    body = (await Driver.http(app, headers=[(b"accept", accept)]).run()).body.decode()
    assert not set(body) & {chr(code) for code in (*range(9), *range(11, 32), *range(127, 160), 0x202E)}
    assert "\\x1b]0;title\\x07 \\x00 \\x9b31m \\u202e \\x0d end" in body


@pytest.mark.parametrize("accept", [b"text/html", b"*/*"])
async def test_s33_s36_no_request_breaks_the_page(accept: bytes) -> None:
    app = raising(LookupError("shown"), "/{name}")
    for target in ("/%FF%00?%FF=%FF&;&=&a", "/a?" + "a&" * 5000, "/" + "a" * 50_000, "/a?" + "a=b&" * 5000):
        headers = [(b"accept", accept), (b"x-\xff", b"\xff\x00"), *[(b"x-many", b"x" * 50)] * 500]
        driver = await Driver.http(app, target=target, headers=headers).run()
        assert driver.status == 500
        assert b"shown" in driver.body
        assert len(driver.body) < 150_000

"""What a failed handler answers while the application is in debug mode."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Awaitable, Callable
from html import unescape
from importlib.metadata import version

import httpx
import pytest

import framework
from framework import testing, web
from tests.driver import Driver
from tests.test_docs import blocks, run

HTML = (b"accept", b"text/html,application/xhtml+xml;q=0.9")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def failing(exc: Exception, *, debug: bool = True) -> web.Application:
    async def handler(request: web.Request) -> web.Response:
        raise exc

    return debugged(handler, debug=debug)


def debugged(handler: Handler, *, path: str = "/", debug: bool = True) -> web.Application:
    app = web.Application(debug=debug)
    app.router.add_get(path, handler)
    return app


async def page_of(app: web.Application, target: str = "/", *headers: tuple[bytes, bytes]) -> str:
    driver = await Driver.http(app, target=target, headers=[HTML, *headers]).run()
    assert driver.status in (500, 504)
    assert driver.headers[b"content-type"] == b"text/html; charset=utf-8"
    return driver.body.decode()


async def text_of(app: web.Application, target: str = "/") -> str:
    driver = await Driver.http(app, target=target, headers=[(b"accept", b"*/*")]).run()
    assert driver.headers[b"content-type"] == b"text/plain; charset=utf-8"
    return driver.body.decode()


def words(page: str) -> str:
    """What is read on a page."""
    return unescape(re.sub(r"<[^>]*>", "", page))


def origins(page: str) -> list[tuple[str, str]]:
    """How the exceptions that the first one came of led to the next, and their classes."""
    return re.findall(r'<h[24]>(.*?)</h[24]>\n<p class="kind">.*?</span>(\w+)</p>', page)


# Who sees what


async def test_debug_can_be_set_while_the_application_serves() -> None:
    app = failing(LookupError("what was wrong"), debug=False)
    shown = []
    for debug in (False, True, False):
        app.debug = debug
        driver = await Driver.http(app).run()
        shown.append((app.debug, b"what was wrong" in driver.body))
    assert shown == [(False, False), (True, True), (False, False)]


async def test_browsers_are_shown_a_page() -> None:
    page = await page_of(failing(LookupError("no such thing")))
    assert "<title>LookupError: no such thing (500 Internal Server Error)</title>" in page
    assert '<h1 class="kind"><span class="module"></span>LookupError</h1>' in page
    assert '<pre class="message">no such thing</pre>' in page


@pytest.mark.parametrize("accept", [b"*/*", b"application/json", b"text/plain", b""])
async def test_everybody_else_is_shown_text(accept: bytes) -> None:
    driver = await Driver.http(failing(LookupError("no such thing")), headers=[(b"accept", accept)]).run()
    assert driver.body.startswith(b"500 Internal Server Error\n\nTraceback (most recent call last):\n")
    assert b"\nLookupError: no such thing\n" in driver.body
    assert driver.headers[b"cache-control"] == b"no-store"


async def test_the_text_names_request_route_and_handler() -> None:
    async def show(request: web.Request) -> web.Response:
        raise LookupError

    text = await text_of(debugged(show, path="/users/{name}"), "/users/ada?page=2&token=x")
    *_, request, route, handler = text.splitlines()
    assert request == "Request: GET /users/ada?page=2&token=••••••"
    assert route == "Route: /users/{name}"
    assert re.fullmatch(r"Handler: \S+\.show tests/asgi/test_debug_page\.py:\d+", handler)


async def test_head_has_the_headers_of_the_page() -> None:
    get = await Driver.http(failing(LookupError()), headers=[HTML]).run()
    head = await Driver.http(failing(LookupError()), method="HEAD", headers=[HTML]).run()
    assert (head.status, head.body) == (500, b"")
    assert head.headers[b"content-type"] == get.headers[b"content-type"]
    assert head.headers[b"content-security-policy"] == get.headers[b"content-security-policy"]


async def test_a_timeout_is_shown_as_well() -> None:
    page = await page_of(failing(TimeoutError("the database")))
    assert "TimeoutError: the database (504 Gateway Timeout)" in page


async def test_a_subapplication_goes_by_the_application_that_serves() -> None:
    app = web.Application(debug=True)
    app.add_subapp("/sub", failing(LookupError("below"), debug=False))
    assert "below" in await text_of(app, "/sub/")


async def test_an_error_in_a_middleware_of_a_404() -> None:
    @web.middleware
    async def broken(request: web.Request, handler: Handler) -> web.StreamResponse:
        raise LookupError("in the middleware")

    page = words(await page_of(web.Application(debug=True, middlewares=[broken]), "/nowhere"))
    assert "in the middleware" in page
    assert "none matches" in page


async def test_an_error_in_on_response_prepare() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text="fine")

    async def broken(request: web.Request, response: web.StreamResponse) -> None:
        raise LookupError("in the signal")

    app = debugged(handler)
    app.on_response_prepare.append(broken)
    assert "in the signal" in await page_of(app)


async def test_an_error_in_an_exception_handler_shows_both() -> None:
    async def broken(request: web.Request, exc: ValueError) -> web.Response:
        raise LookupError("in the exception handler")

    app = failing(ValueError("in the handler"))
    app.add_exception_handler(ValueError, broken)
    page = await page_of(app)
    assert '<pre class="message">in the exception handler</pre>' in page
    assert origins(page) == [("Raised while handling", "ValueError")]


async def test_a_response_that_has_begun_is_not_replaced() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"part")
        raise LookupError("too late")

    driver = Driver.http(debugged(handler), headers=[HTML])
    with pytest.raises(LookupError, match="too late"):
        await driver.run()
    assert (driver.status, driver.body) == (200, b"part")


async def test_a_websocket_is_denied_with_the_text() -> None:
    app = failing(LookupError("before the handshake"))
    driver = await Driver.websocket(app, extensions={"websocket.http.response": {}}).run()
    assert driver.status == 500
    assert b"LookupError: before the handshake" in driver.body


async def test_what_cannot_be_shown_is_answered_as_without_debug(caplog: pytest.LogCaptureFixture) -> None:
    class Odd(Exception):
        @property
        def __cause__(self) -> None:  # type: ignore[override]
            raise ValueError("odd")

    caplog.set_level("CRITICAL")  # the logging module cannot show it either
    app = failing(Odd())
    app.logger.disabled = True
    try:
        driver = await Driver.http(app, headers=[HTML]).run()
    finally:
        app.logger.disabled = False
    assert driver.status == 500
    assert b"Server got itself in trouble" in driver.body


# What is on the page


async def test_lines_around_the_failing_one_and_its_columns() -> None:
    async def handler(request: web.Request) -> web.Response:
        prices: dict[str, int | None] = {"größe": None}
        # before
        total = prices["größe"] * 2 + 1  # type: ignore[operator]
        # after
        return web.Response(text=str(total))

    page = await page_of(debugged(handler))
    failing_line = re.search(r'<span class="line failing" data-number="\d+">(.*)\n</span>', page)
    assert failing_line is not None
    assert "    total = <mark>prices[&quot;größe&quot;] * 2</mark> + 1" in failing_line[1]
    assert "# before" in page
    assert "# after" in page


async def test_the_programs_calls_are_open_and_those_of_libraries_folded() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.json_response({"not": object()})

    page = await page_of(debugged(handler))
    assert re.search(
        r'<details class="library">\n<summary>\d+ calls in json, framework</summary>'
        r'.*<details class="call" open>\n<summary><code class="name">tests/asgi/test_debug_page.py</code>, line \d+ in '
        r".*<summary>1 call in framework</summary>",
        page,
        re.DOTALL,
    )


async def test_cause_context_and_notes() -> None:
    async def handler(request: web.Request) -> web.Response:
        try:
            try:
                raise KeyError("first")
            except KeyError:
                raise ValueError("second") from None
        except ValueError as exc:
            exc.add_note("a note")
            try:
                raise TypeError("third")
            except TypeError:
                raise LookupError("fourth") from exc

    page = await page_of(debugged(handler))
    # As in Python's own words, which do not tell of the first and the third.
    assert origins(page) == [("Caused by", "ValueError")]
    assert '<pre class="message">second</pre>\n<p class="note">a note</p>' in page


async def test_the_members_of_a_group_and_their_causes() -> None:
    async def fail(number: int) -> None:
        try:
            raise KeyError(f"cause of {number}")
        except KeyError as exc:
            raise LookupError(f"task {number}") from exc

    async def handler(request: web.Request) -> web.Response:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(fail(1))
            tasks.create_task(fail(2))
        return web.Response()

    page = await page_of(debugged(handler))
    assert origins(page) == [("Caused by", "KeyError"), ("Caused by", "KeyError")]
    page = words(page)
    for number in (1, 2):
        assert re.search(rf"Exception {number} of 2 in the group\s+LookupError\s+task {number}\s", page)
        assert f"'cause of {number}'" in page


async def test_what_could_not_be_compiled() -> None:
    async def handler(request: web.Request) -> web.Response:
        compile("x = (1,\n  y z\n", "template.txt", "exec")
        return web.Response()

    page = await page_of(debugged(handler))
    assert '<code class="name">template.txt</code>, line 1</summary>' in page
    assert "x = <mark>(</mark>1," in page


async def test_the_request() -> None:
    async def show(request: web.Request) -> web.Response:
        raise LookupError

    app = debugged(show, path="/users/{name}")
    page = await page_of(app, "/users/a%C3%A4?page=2&page=3", (b"x-one", b"1"), (b"user-agent", b"Test/1"))
    for name, value in [("Path", "/users/{name}"), ("name", "aä"), ("page", "2"), ("page", "3"), ("X-One", "1")]:
        assert f'<tr><th scope="row">{name}</th><td>{value}</td></tr>' in page
    assert "<b>GET</b> /users/a%C3%A4?page=2&amp;page=3</code> for <code>" in page


async def test_what_it_runs_on() -> None:
    page = words(await page_of(failing(LookupError())))
    assert f"Python{sys.implementation.name}".lower() in page.lower()
    assert f"framework{framework.__version__}" in page


async def test_the_traceback_as_text_is_on_the_page() -> None:
    app = failing(LookupError("no such thing"))
    page, text = await page_of(app), await text_of(app)
    shown = re.search(r'<pre tabindex="0">(Traceback.*?)</pre>', page, re.DOTALL)
    assert shown is not None
    assert unescape(shown[1]).splitlines()[-1] == "LookupError: no such thing"
    assert "LookupError: no such thing" in text


async def test_the_program_of_the_document() -> None:
    page = await page_of(run(blocks("docs/debugging.md")[0]).app, "/orders/17?currency=EUR&access_token=8b1a9953")
    assert origins(page) == [("Caused by", "TypeError")]
    assert "Order 17 cannot be priced" in page
    assert "A fruit without a price is out of season." in page
    assert "8b1a9953" not in page


async def test_the_server_is_named() -> None:
    async with testing.server(failing(LookupError())) as server, httpx.AsyncClient() as client:
        page = (await client.get(str(server.url), headers={"Accept": "text/html"})).text
    assert f'<th scope="row">Server</th><td>uvicorn {version("uvicorn")}</td>' in page


# Bounds


async def test_a_recursion() -> None:
    def again(number: int) -> int:
        return again(number + 1)

    async def handler(request: web.Request) -> web.Response:
        again(0)
        return web.Response()

    page = await page_of(debugged(handler))
    assert re.search(r"\d{3} times in a row", page)
    assert re.search(r"\[Previous line repeated \d+ more times\]", page)
    assert len(page) < 100_000


async def test_a_recursion_of_several_functions() -> None:
    def ping() -> None:
        pong()

    def pong() -> None:
        ping()

    async def handler(request: web.Request) -> web.Response:
        ping()
        return web.Response()

    page = await page_of(debugged(handler))
    assert re.search(r"<p class=\"gap\">\d{3} calls are left out</p>", page)
    # The way to where it began is shown, and one of each call is open.
    assert page.count('<details class="call" open>') == 2
    assert re.search(r"in <code><b>\S+handler</b></code>", page)
    assert len(page) < 200_000


async def test_a_huge_message() -> None:
    app = failing(ValueError("x" * 10_000_000))
    page, text = await page_of(app), await text_of(app)
    assert "… (9996000 more characters)" in page
    assert "characters are left out]" in text
    assert len(page) < 200_000
    assert len(text) < 110_000


async def test_a_long_chain_and_a_wide_group() -> None:
    exc = ExceptionGroup("wide", [ValueError(number) for number in range(1000)])
    chained: Exception = exc
    for number in range(1000):
        following = LookupError(f"link {number}")
        following.__cause__ = chained
        chained = following
    page = await page_of(failing(chained))
    assert "there are too many exceptions" in page
    assert page.count('class="origin"') < 20
    page = await page_of(failing(exc))
    assert "more exceptions of the group are left out" in page
    assert "of 1000 in the group" in page
    assert len(page) < 200_000


async def test_exceptions_that_lead_in_a_circle() -> None:
    first, second = ValueError("first"), LookupError("second")
    first.__cause__, second.__cause__ = second, first
    page = await page_of(failing(first))
    assert page.count("Caused by") == 1


def test_nothing_of_it_is_imported_before_a_handler_fails() -> None:
    source = "import sys, framework.web; print([name for name in sys.modules if name.startswith('framework.debug')])"
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"

"""S6: normalising slashes never redirects to another host."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from framework import web
from tests.driver import Driver

OPTIONS: list[dict[str, Any]] = [
    {},
    {"merge_slashes": False},
    {"append_slash": False},
    {"append_slash": False, "remove_slash": True},
    {"append_slash": False, "remove_slash": True, "merge_slashes": False},
    {"redirect_class": web.HTTPFound},
]
PATHS = [
    "//evil.example",
    "///evil.example",
    "//evil.example/",
    "/\\evil.example",
    "/\\/evil.example",
    "//\\evil.example",
]
PATHS += [
    "/%5Cevil.example",
    "/%5cevil.example/",
    "/%2Fevil.example",
    "//evil.example/..",
    "/a//evil.example",
    "/.//evil.example",
]
PATHS += [
    "/%09/evil.example",
    "/\t/evil.example",
    "////evil.example//",
    "//evil.example%2F..",
    "//user@evil.example/",
    "/;//evil.example",
]


async def hello(request: web.Request) -> web.Response:
    return web.Response(text="hello")


def app_that_normalises(options: dict[str, Any]) -> web.Application:
    app = web.Application(middlewares=[web.normalize_path_middleware(**options)])
    # Routes that match nearly anything, so that a redirect is found where one can be.
    for path in ("/{a}", "/{a}/", "/{a}/{b}", "/{a}/{b}/", "/x/{tail:.*}", "//{tail:.*}", "/\\{tail:.*}"):
        app.router.add_get(path, hello)
    return app


def stays_here(location: bytes) -> bool:
    """Whether a browser, which takes backslashes for slashes and drops tabs and line ends, stays on this host."""
    seen = location.decode("latin-1").replace("\\", "/").replace("\t", "").replace("\n", "").replace("\r", "").strip()
    parts = urlsplit(seen)
    return not parts.scheme and not parts.netloc and seen.startswith("/") and not seen.startswith("//")


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("path", PATHS)
async def test_s06_never_to_another_host(options: dict[str, Any], path: str) -> None:
    driver = await Driver.http(app_that_normalises(options), target=path).run()
    if 300 <= driver.status < 400:
        assert stays_here(driver.headers[b"location"])


@settings(derandomize=True, max_examples=300, deadline=None)
@given(
    path=st.lists(
        st.sampled_from(["/", "\\", "%2F", "%5C", "%09", "evil.example", "a", ".", "..", ":", "@"]), max_size=8
    ),
    options=st.sampled_from(OPTIONS),
)
def test_s06_whatever_the_path(path: list[str], options: dict[str, Any]) -> None:
    import asyncio

    driver = Driver.http(app_that_normalises(options), target="/" + "".join(path))
    asyncio.run(driver.run())
    if 300 <= driver.status < 400:
        assert stays_here(driver.headers[b"location"])


async def test_s06_the_query_is_kept_and_is_no_way_out() -> None:
    app = web.Application(middlewares=[web.normalize_path_middleware()])
    app.router.add_get("/a/", hello)
    driver = await Driver.http(app, target="/a?next=//evil.example").run()
    assert driver.headers[b"location"] == b"/a/?next=//evil.example"


async def test_s06_below_a_root_path_the_redirect_stays_below_it() -> None:
    app = web.Application(middlewares=[web.normalize_path_middleware()])
    app.router.add_get("/a/", hello)
    driver = await Driver.http(app, target="/mnt/a", root_path="/mnt").run()
    assert driver.headers[b"location"] == b"/mnt/a/"


async def test_s36_control_characters_of_a_query_are_encoded_in_the_location() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response()

    app = web.Application(middlewares=[web.normalize_path_middleware()])
    app.router.add_get("/a/", handler)
    driver = await Driver.http(app, target="/a", query_string=b"\x00 x\x7f").run()
    assert (driver.status, driver.headers[b"location"]) == (308, b"/a/?%00%20x%7F")

"""Setting and deleting cookies: the Set-Cookie header that the client receives."""

from __future__ import annotations

from http.cookies import CookieError, SimpleCookie
from typing import Any

import pytest

from tests.contract import modules
from tests.contract.asking import ask
from tests.contract.backends import Backend

web = modules.web


def set_cookies(response: Any) -> list[str]:
    return [morsel.OutputString() for morsel in response.cookies.values()]


@pytest.mark.parametrize(
    ("arguments", "header"),
    [
        ({}, "a=1; Path=/"),
        ({"path": "/p"}, "a=1; Path=/p"),
        ({"path": ""}, "a=1"),
        ({"domain": "example.com"}, "a=1; Domain=example.com; Path=/"),
        ({"max_age": 5}, "a=1; Max-Age=5; Path=/"),
        ({"max_age": "5"}, "a=1; Max-Age=5; Path=/"),
        ({"max_age": 0}, "a=1; Max-Age=0; Path=/"),
        (
            {"expires": "Tue, 01 Jan 2030 00:00:00 GMT"},
            "a=1; expires=Tue, 01 Jan 2030 00:00:00 GMT; Path=/",
        ),
        ({"secure": True}, "a=1; Path=/; Secure"),
        ({"secure": False, "httponly": False}, "a=1; Path=/"),
        ({"httponly": True}, "a=1; HttpOnly; Path=/"),
        ({"samesite": "Lax"}, "a=1; Path=/; SameSite=Lax"),
        ({"version": "1"}, "a=1; Path=/; Version=1"),
        (
            {
                "domain": "e.com",
                "max_age": 1,
                "path": "/p",
                "secure": True,
                "httponly": True,
                "samesite": "None",
                "version": "1",
            },
            "a=1; Domain=e.com; HttpOnly; Max-Age=1; Path=/p; SameSite=None; Secure; Version=1",
        ),
    ],
)
def test_set_cookie_attributes(web: Any, arguments: Any, header: str) -> None:
    response = web.Response()
    response.set_cookie("a", "1", **arguments)
    assert set_cookies(response) == [header]


@pytest.mark.parametrize(
    ("value", "header"),
    [
        ("", 'a=""; Path=/'),
        ("x y", 'a="x y"; Path=/'),
        ("a;b,c", r'a="a\073b\054c"; Path=/'),
        ('q"\\', r'a="q\"\\"; Path=/'),
        ("é", r'a="\351"; Path=/'),
        ("x%20y", "a=x%20y; Path=/"),
        (1, "a=1; Path=/"),
    ],
)
def test_cookie_value_is_quoted(web: Any, value: Any, header: str) -> None:
    response = web.Response()
    response.set_cookie("a", value)
    assert set_cookies(response) == [header]


@pytest.mark.parametrize("name", ["a b", "a;", "", "a=", "path", "é"])
def test_cookie_name_that_is_no_token(web: Any, name: str) -> None:
    with pytest.raises(CookieError):
        web.Response().set_cookie(name, "1")


def test_cookies_is_a_simple_cookie(web: Any) -> None:
    response = web.Response()
    response.cookies["a"] = "1"
    response.cookies["a"]["max-age"] = 3
    assert isinstance(response.cookies, SimpleCookie)
    assert set_cookies(response) == ["a=1; Max-Age=3"]


def test_setting_a_cookie_again_replaces_it(web: Any) -> None:
    response = web.Response()
    response.set_cookie("a", "1", path="/x")
    response.set_cookie("a", "2")
    assert set_cookies(response) == ["a=2; Path=/"]


def test_cookies_keep_their_order(web: Any) -> None:
    response = web.Response()
    for name in "bac":
        response.set_cookie(name, "1")
    assert list(response.cookies) == ["b", "a", "c"]


def test_del_cookie(web: Any) -> None:
    response = web.Response()
    response.del_cookie("a")
    assert set_cookies(response) == ['a=""; expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/']


def test_del_cookie_attributes(web: Any) -> None:
    response = web.Response()
    response.del_cookie("a", domain="e.com", path="/p", secure=True, httponly=True, samesite="Strict")
    (header,) = set_cookies(response)
    assert header.startswith('a=""; Domain=e.com; expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; Max-Age=0')
    assert header.endswith("; Path=/p; SameSite=Strict; Secure")


def test_set_then_del_and_del_then_set(web: Any) -> None:
    response = web.Response()
    response.set_cookie("a", "1", max_age=9)
    response.del_cookie("a")
    response.del_cookie("b")
    response.set_cookie("b", "2")
    assert set_cookies(response) == [
        'a=""; expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/',
        "b=2; Path=/",
    ]


def test_cookies_are_not_among_the_headers_before_prepare(web: Any) -> None:
    response = web.Response()
    response.set_cookie("a", "1")
    assert "Set-Cookie" not in response.headers


async def test_each_cookie_is_a_header_of_its_own(backend: Backend) -> None:
    async def handler(request: Any) -> Any:
        response = backend.web.Response(headers=[("Set-Cookie", "z=0")])
        response.set_cookie("a", "1", httponly=True)
        response.set_cookie("b", "2", path="/b")
        return response

    response = await ask(backend, handler)
    assert response.headers.get_list("Set-Cookie") == ["z=0", "a=1; HttpOnly; Path=/", "b=2; Path=/b"]


async def test_cookies_of_an_exception(backend: Backend) -> None:
    async def handler(request: Any) -> Any:
        redirect = backend.web.HTTPFound("/in")
        redirect.set_cookie("a", "1")
        redirect.del_cookie("b")
        raise redirect

    response = await ask(backend, handler)
    assert response.status_code == 302
    assert response.headers.get_list("Set-Cookie") == [
        "a=1; Path=/",
        'b=""; expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/',
    ]


async def test_cookies_of_a_stream(backend: Backend) -> None:
    async def handler(request: Any) -> Any:
        response = backend.web.StreamResponse()
        response.set_cookie("a", "1")
        await response.prepare(request)
        response.set_cookie("late", "2")
        await response.write_eof(b"x")
        return response

    response = await ask(backend, handler)
    assert response.headers.get_list("Set-Cookie") == ["a=1; Path=/"]


@pytest.mark.parametrize("status", [204, 304])
async def test_cookies_without_body(backend: Backend, status: int) -> None:
    async def handler(request: Any) -> Any:
        response = backend.web.Response(status=status)
        response.set_cookie("a", "1")
        return response

    assert (await ask(backend, handler)).headers["Set-Cookie"] == "a=1; Path=/"


async def test_cookie_goes_to_the_client_and_back(backend: Backend) -> None:
    web = backend.web
    seen: list[Any] = []

    async def handler(request: Any) -> Any:
        seen.append(dict(request.cookies))
        response = web.Response()
        response.set_cookie("text", 'x y"z,;é')
        response.set_cookie("plain", "1")
        return response

    app = web.Application()
    app.router.add_get("/", handler)
    async with backend.client(app) as client:
        await client.get("/")
        await client.get("/")
    assert seen == [{}, {"text": 'x y"z,;é', "plain": "1"}]

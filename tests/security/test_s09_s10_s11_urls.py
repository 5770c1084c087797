"""S9 to S11: what `request.url` says is the server's and the client's word kept apart."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from framework import web
from tests.driver import Driver


async def tell(request: web.Request) -> web.Response:
    url = request.url
    return web.json_response(
        {
            "scheme": url.scheme,
            "host": url.host,
            "port": url.explicit_port,
            "user": url.raw_user,
            "path": url.raw_path,
            "query": url.raw_query_string,
            "fragment": url.raw_fragment,
        }
    )


async def told(*, headers: Any = ((b"host", b"example.com"),), target: str = "/", **scope: Any) -> dict[str, Any]:
    app = web.Application()
    app.router.add_get("/{tail:.*}", tell)
    driver = await Driver.http(app, target=target, headers=headers, **scope).run()
    assert driver.status == 200, driver.body
    result: dict[str, Any] = json.loads(driver.body)
    return result


HOSTS = [
    b"evil.example/path",
    b"evil.example?query",
    b"evil.example#fragment",
    b"user@evil.example",
    b"user:pass@evil.example",
    b"evil.example\\",
    b"evil.example:80:80",
    b"evil.example:port",
    b"evil.example:99999",
    b"evil.example:-1",
    b"[::1",
    b"::1]",
    b"[::1]evil.example",
    b"[evil.example]",
    b"",
    b" ",
    b"evil example",
    b"evil.example\t",
    b"\xff",
    b"evil.example,other",
    b"http://evil.example",
    b"/",
    b"//evil.example",
    b"?",
    b"#",
    b"@",
    b":",
    b":80",
    b"\x00",
    b"a\x00b",
]


@pytest.mark.parametrize("host", HOSTS)
async def test_s09_a_malformed_host_says_nothing_of_the_path(host: bytes) -> None:
    url = await told(headers=[(b"host", host)], target="/admin?a=b")
    assert (url["path"], url["query"], url["fragment"]) == ("/admin", "a=b", "")
    assert url["user"] is None
    assert url["host"]


@pytest.mark.parametrize(
    "target", ["//evil.example/x", "/\\evil.example", "/@evil.example", "/:80", "/http://evil.example", "//"]
)
async def test_s09_the_path_says_nothing_of_the_authority(target: str) -> None:
    url = await told(target=target)
    assert (url["scheme"], url["host"], url["user"]) == ("http", "example.com", None)


@pytest.mark.parametrize(("raw", "path"), [(b"/a?b", "/a?b"), (b"/a#b", "/a#b"), (b"/a?b#c", "/a?b#c")])
async def test_s09_separators_in_a_raw_path_do_not_become_a_query(raw: bytes, path: str) -> None:
    # Servers split them off; what hands over such a path must not gain a query or a fragment by it.
    url = await told(raw_path=raw, path=path)
    assert url["host"] == "example.com"
    assert url["query"] == ""


async def test_s09_a_decoded_path_with_separators_is_quoted() -> None:
    app = web.Application()
    app.router.add_get("/{tail:.*}", tell)
    driver = Driver.http(app, path="/a?b#c%")
    del driver.scope["raw_path"]
    await driver.run()
    url = json.loads(driver.body)
    assert (url["path"], url["query"], url["fragment"]) == ("/a%3Fb%23c%25", "", "")


@settings(derandomize=True, max_examples=300, deadline=None)
@given(
    host=st.binary(max_size=12) | st.text("a.:/@?#[]\\%1 ", max_size=10).map(str.encode),
    path=st.text("ab/.@:?#%2F\\[]", max_size=10),
)
def test_s09_host_and_path_are_kept_apart(host: bytes, path: str) -> None:
    plain = asyncio.run(told(raw_path=b"/" + path.encode(), path="/" + path))
    odd = asyncio.run(told(headers=[(b"host", host)], raw_path=b"/" + path.encode(), path="/" + path))
    for part in ("scheme", "path", "query", "fragment", "user"):
        assert odd[part] == plain[part]
    assert plain["host"] == "example.com"
    assert plain["user"] is None


@pytest.mark.parametrize(
    ("host", "name", "port"),
    [
        (b"example.com", "example.com", None),
        (b"EXAMPLE.com:8080", "example.com", 8080),
        (b"127.0.0.1:81", "127.0.0.1", 81),
        (b"[::1]:8080", "::1", 8080),
        (b"a_b.example", "a_b.example", None),
    ],
)
async def test_s10_a_good_host_is_taken(host: bytes, name: str, port: int | None) -> None:
    url = await told(headers=[(b"host", host)])
    assert (url["host"], url["port"]) == (name, port)


@pytest.mark.parametrize("second", [b"example.com", b"evil.example"])
async def test_s10_more_than_one_host_is_refused_where_it_is_used(second: bytes) -> None:
    app = web.Application()
    app.router.add_get("/", tell)
    driver = await Driver.http(app, headers=[(b"host", b"example.com"), (b"host", second)]).run()
    assert driver.status == 400


async def test_s10_more_than_one_host_is_refused_where_domains_decide() -> None:
    app, inner = web.Application(), web.Application()
    inner.router.add_get("/", tell)
    app.add_domain("inner.example", inner)
    app.router.add_get("/", tell)
    driver = await Driver.http(app, headers=[(b"host", b"inner.example"), (b"host", b"evil.example")]).run()
    assert driver.status == 400


@pytest.mark.parametrize(
    ("rule", "host", "matches"),
    [
        ("api.example.com", b"api.example.com", True),
        ("api.example.com", b"API.Example.COM:8080", True),
        ("api.example.com", b"apixexample.com", False),
        ("api.example.com:8080", b"api.example.com", False),
        ("*.example.com", b"api.example.com", True),
        ("*.example.com", b"apixexample.com", False),
        ("*.example.com", b"example.com.evil", False),
        ("*.example.com", b"evil.com\n.example.com", False),
        ("api.example.com", b"api.example.com\n", False),
        ("api.example.com", b"\xff", False),
    ],
)
async def test_s10_domain_rules_are_literal(rule: str, host: bytes, matches: bool) -> None:
    async def hello(request: web.Request) -> web.Response:
        return web.Response(text="inner")

    app, inner = web.Application(), web.Application()
    inner.router.add_get("/", hello)
    app.add_domain(rule, inner)
    driver = await Driver.http(app, headers=[(b"host", host)]).run()
    assert (driver.status == 200) is matches


FORWARDED = [
    (b"forwarded", b"for=203.0.113.9;proto=https;host=evil.example"),
    (b"x-forwarded-for", b"203.0.113.9"),
    (b"x-forwarded-proto", b"https"),
    (b"x-forwarded-host", b"evil.example"),
    (b"x-forwarded-port", b"444"),
    (b"x-forwarded-prefix", b"/evil"),
    (b"x-real-ip", b"203.0.113.9"),
    (b"x-original-url", b"/admin"),
    (b"x-rewrite-url", b"/admin"),
    (b"x-http-method-override", b"DELETE"),
    (b"x-scheme", b"https"),
    (b"front-end-https", b"on"),
]


@pytest.mark.parametrize("header", FORWARDED, ids=lambda header: header[0].decode())
async def test_s11_what_a_client_forwards_is_not_believed(header: tuple[bytes, bytes]) -> None:
    async def handler(request: web.Request) -> web.Response:
        facts = [request.remote, request.scheme, request.secure, request.host, str(request.url), request.method]
        return web.json_response(facts)

    app = web.Application()
    app.router.add_get("/", handler)
    driver = await Driver.http(app, headers=[(b"host", b"example.com"), header]).run()
    assert json.loads(driver.body) == ["192.0.2.7", "http", False, "example.com", "http://example.com/", "GET"]


async def test_s11_what_the_server_says_is_believed() -> None:
    url = await told(scheme="https")
    assert url["scheme"] == "https"

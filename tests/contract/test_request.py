"""What a request says of itself: line, target, addresses, storage and copies."""

from __future__ import annotations

import asyncio
import warnings
from typing import Any

import pytest
from multidict import CIMultiDictProxy, MultiDictProxy
from yarl import URL

from tests.contract.asking import ask, observe
from tests.contract.backends import Backend, SocketBackend, exchange


async def see_raw(backend: SocketBackend, look: Any, data: bytes) -> tuple[list[Any], bytes]:
    """What `look(request)` gave for each request in `data`, and the bytes that came back."""
    seen: list[Any] = []

    async def handler(request: Any) -> Any:
        seen.append(look(request))
        return backend.web.Response()

    app = backend.web.Application()
    app.router.add_route("*", "/{tail:.*}", handler)
    async with backend.serve(app) as address:
        received = await exchange(address, data)
    return seen, received


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "TRACE"])
async def test_method(backend: Backend, method: str) -> None:
    assert await observe(backend, lambda request: request.method, method) == method


async def test_extension_method(socket_backend: SocketBackend) -> None:
    request = b"PROPFIND /p HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    seen, _ = await see_raw(socket_backend, lambda request: request.method, request)
    assert seen == ["PROPFIND"]


async def test_version_is_a_named_pair(backend: Backend) -> None:
    version = await observe(backend, lambda request: request.version)
    assert version == (1, 1)
    assert (version.major, version.minor) == (1, 1)


async def test_version_1_0(socket_backend: SocketBackend) -> None:
    seen, _ = await see_raw(socket_backend, lambda request: request.version, b"GET / HTTP/1.0\r\nHost: a\r\n\r\n")
    assert seen == [(1, 0)]


async def test_scheme_and_secure_of_plain_http(backend: Backend) -> None:
    assert await observe(backend, lambda request: (request.scheme, request.secure)) == ("http", False)


async def test_remote_is_the_peer_address(backend: Backend) -> None:
    assert await observe(backend, lambda request: request.remote) == "127.0.0.1"


# --- The target -----------------------------------------------------------------------------------


async def test_path_is_decoded_and_raw_path_is_not(backend: Backend) -> None:
    def look(request: Any) -> tuple[str, ...]:
        return request.path, request.raw_path, request.path_qs

    assert await observe(backend, look, path="/c%20d/caf%C3%A9") == (
        "/c d/café",
        "/c%20d/caf%C3%A9",
        "/c%20d/caf%C3%A9",
    )


async def test_escaped_slash_in_path(backend: Backend) -> None:
    def look(request: Any) -> tuple[Any, ...]:
        return request.path, request.raw_path, request.rel_url.raw_path

    assert await observe(backend, look, path="/a%2Fb") == ("/a/b", "/a%2Fb", "/a%2Fb")


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/a%3Fb", "/a?b"),
        ("/a%25b", "/a%b"),
        ("/a+b", "/a+b"),
        ("/%7Euser%41", "/~userA"),
        ("/a;p=1", "/a;p=1"),
        ("/a:b@c!$&'()*,=", "/a:b@c!$&'()*,="),
        ("/a%23b", "/a#b"),
    ],
)
async def test_escapes_in_path(backend: Backend, target: str, path: str) -> None:
    assert await observe(backend, lambda request: (request.path, request.raw_path), path=target) == (path, target)


async def test_path_that_is_not_utf8_keeps_its_escape(backend: Backend) -> None:
    assert await observe(backend, lambda request: (request.path, request.raw_path), path="/a%FF") == ("/a%FF", "/a%FF")


async def test_empty_segments_are_kept(backend: Backend) -> None:
    assert await observe(backend, lambda request: (request.path, request.raw_path), path="/a//b/") == (
        "/a//b/",
        "/a//b/",
    )


async def test_path_that_starts_with_two_slashes_is_no_authority(socket_backend: SocketBackend) -> None:
    request = b"GET //evil.example/p HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    seen, _ = await see_raw(socket_backend, lambda r: (r.path, r.raw_path, r.url.host, r.rel_url.host), request)
    assert seen == [("//evil.example/p", "//evil.example/p", "a", None)]


async def test_path_qs_and_raw_path_with_query(backend: Backend) -> None:
    def look(request: Any) -> tuple[str, ...]:
        return request.path, request.raw_path, request.path_qs

    expected = ("/a", "/a?x=a%26b&y=1+2", "/a?x=a%26b&y=1+2")
    assert await observe(backend, look, path="/a?x=a%26b&y=1+2") == expected


async def test_absolute_form_target(socket_backend: SocketBackend) -> None:
    request = b"GET http://example.org/p?q=1 HTTP/1.1\r\nHost: example.org\r\nConnection: close\r\n\r\n"
    seen, _ = await see_raw(socket_backend, lambda r: (r.path, r.query_string, r.url), request)
    assert seen == [("/p", "q=1", URL("http://example.org/p?q=1"))]


async def test_url_and_rel_url(backend: Backend) -> None:
    def look(request: Any) -> tuple[Any, ...]:
        return request.url, request.rel_url, request.host

    url, rel_url, host = await observe(backend, look, path="/a%2Fb?x=1&y=caf%C3%A9")
    assert rel_url == URL("/a%2Fb?x=1&y=caf%C3%A9", encoded=True)
    assert not rel_url.absolute
    assert str(url) == f"http://{host}/a%2Fb?x=1&y=caf%C3%A9"
    assert url.relative() == rel_url


async def test_url_is_computed_once(backend: Backend) -> None:
    def look(request: Any) -> bool:
        return request.url is request.url and request.rel_url is request.rel_url and request.query is request.query

    assert await observe(backend, look)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("example.com", "http://example.com/p?q=1"),
        ("example.com:80", "http://example.com/p?q=1"),
        ("example.com:8000", "http://example.com:8000/p?q=1"),
        ("EXAMPLE.com", "http://example.com/p?q=1"),
        ("[::1]:8000", "http://[::1]:8000/p?q=1"),
    ],
)
async def test_host_header_makes_the_url(backend: Backend, host: str, url: str) -> None:
    def look(request: Any) -> tuple[str, str]:
        return request.host, str(request.url)

    assert await observe(backend, look, path="/p?q=1", headers={"Host": host}) == (host, url)


async def test_host_without_header_is_the_address_that_was_reached(socket_backend: SocketBackend) -> None:
    seen, _ = await see_raw(socket_backend, lambda request: (request.host, request.path), b"GET /p HTTP/1.0\r\n\r\n")
    ((host, path),) = seen
    assert host.startswith("127.0.0.1")
    assert path == "/p"


async def test_fragment_never_reaches_the_path(backend: Backend) -> None:
    assert await observe(backend, lambda r: (r.path, r.query_string), path="/a?b=1#c") == ("/a", "b=1")


async def test_query_string_is_decoded(backend: Backend) -> None:
    assert await observe(backend, lambda r: r.query_string, path="/?q=%D0%B6&p=1+2&a=%26") == "q=ж&p=1 2&a=%26"


async def test_query_string_is_empty_without_query(backend: Backend) -> None:
    assert await observe(backend, lambda r: (r.query_string, len(r.query), r.path_qs)) == ("", 0, "/")


async def test_query_is_a_decoded_multidict(backend: Backend) -> None:
    query = await observe(backend, lambda request: request.query, path="/?a=1&a=2&b=&c&d=x+y%2Bz&caf%C3%A9=%D0%B6")
    assert isinstance(query, MultiDictProxy)
    assert list(query.items()) == [("a", "1"), ("a", "2"), ("b", ""), ("c", ""), ("d", "x y+z"), ("café", "ж")]
    assert query["a"] == "1"
    assert query.getall("a") == ["1", "2"]
    assert query.get("missing") is None


async def test_semicolon_does_not_separate_query_parameters(backend: Backend) -> None:
    query = await observe(backend, lambda request: dict(request.query), path="/?a=1;b=2&c=3")
    assert query == {"a": "1;b=2", "c": "3"}


async def test_query_that_is_not_utf8_is_replaced(backend: Backend) -> None:
    assert await observe(backend, lambda request: request.query["x"], path="/?x=%FF") == "\ufffd"


async def test_query_with_equals_signs_and_escaped_separators(backend: Backend) -> None:
    query = await observe(backend, lambda request: list(request.query.items()), path="/?a=b=c&d%3De=f%26g&=h")
    assert query == [("a", "b=c"), ("d=e", "f&g"), ("", "h")]


async def test_missing_query_parameter_is_a_key_error(backend: Backend) -> None:
    with pytest.raises(KeyError):
        await observe(backend, lambda request: request.query["missing"])


@pytest.mark.parametrize("name", ["method", "path", "url", "rel_url", "host", "scheme", "remote", "headers", "query"])
async def test_attributes_are_read_only(backend: Backend, name: str) -> None:
    with pytest.raises(AttributeError):
        await observe(backend, lambda request: setattr(request, name, "x"))


# --- Headers --------------------------------------------------------------------------------------


async def test_headers_are_a_case_insensitive_multidict(backend: Backend) -> None:
    sent = [("X-Many", "1"), ("x-many", "2"), ("X-One", "a, b")]
    headers = await observe(backend, lambda request: request.headers, headers=sent)
    assert isinstance(headers, CIMultiDictProxy)
    assert headers.getall("X-MANY") == ["1", "2"]
    assert headers["x-one"] == "a, b"
    assert headers.get("X-None") is None
    assert "X-None" not in headers


async def test_missing_header_is_a_key_error(backend: Backend) -> None:
    with pytest.raises(KeyError):
        await observe(backend, lambda request: request.headers["X-None"])


async def test_headers_cannot_be_changed(backend: Backend) -> None:
    assert not await observe(backend, lambda request: hasattr(request.headers, "__setitem__"))


async def test_header_value_is_read_as_utf8_with_surrogates(backend: Backend) -> None:
    sent = [(b"X-Text", "é".encode()), (b"X-Bytes", b"a\xff")]
    seen = await observe(backend, lambda r: (r.headers["X-Text"], r.headers["X-Bytes"]), headers=sent)
    assert seen == ("é", "a\udcff")


async def test_header_value_is_stripped(socket_backend: SocketBackend) -> None:
    request = b"GET / HTTP/1.1\r\nHost: a\r\nX-A: \t b c \t \r\nX-Empty:\r\nConnection: close\r\n\r\n"
    seen, _ = await see_raw(socket_backend, lambda r: (r.headers["X-A"], r.headers["X-Empty"]), request)
    assert seen == [("b c", "")]


async def test_raw_headers_are_pairs_of_bytes(backend: Backend) -> None:
    raw = await observe(backend, lambda r: r.raw_headers, headers=[(b"X-A", b"1"), (b"X-A", "é".encode())])
    assert isinstance(raw, tuple)
    # ASGI servers give names in lower case.
    assert [value for name, value in raw if name.lower() == b"x-a"] == [b"1", "é".encode()]
    assert b"host" in {name.lower() for name, _ in raw}


# --- Connection -----------------------------------------------------------------------------------


async def test_keep_alive_is_the_default_of_1_1(backend: Backend) -> None:
    assert await observe(backend, lambda request: request.keep_alive) is True


async def test_keep_alive_is_false_after_connection_close(backend: Backend) -> None:
    assert await observe(backend, lambda r: r.keep_alive, headers={"Connection": "close"}) is False


async def test_keep_alive_is_opt_in_of_1_0(socket_backend: SocketBackend) -> None:
    first = b"GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n"
    last = b"GET / HTTP/1.0\r\nHost: a\r\n\r\n"
    seen, _ = await see_raw(socket_backend, lambda request: request.keep_alive, last)
    assert seen == [False]
    seen, _ = await see_raw(socket_backend, lambda request: request.keep_alive, first + last)
    assert seen[0] is True


async def test_get_extra_info(backend: Backend) -> None:
    def look(request: Any) -> tuple[Any, ...]:
        return (
            request.get_extra_info("peername"),
            request.get_extra_info("sslcontext"),
            request.get_extra_info("unknown"),
            request.get_extra_info("unknown", "default"),
        )

    peername, sslcontext, unknown, default = await observe(backend, look)
    assert peername[0] == "127.0.0.1"
    assert isinstance(peername[1], int)
    assert (sslcontext, unknown, default) == (None, None, "default")


async def test_get_extra_info_sockname(socket_backend: SocketBackend) -> None:
    seen: list[Any] = []

    async def handler(request: Any) -> Any:
        seen.append(tuple(request.get_extra_info("sockname"))[:2])
        return socket_backend.web.Response()

    app = socket_backend.web.Application()
    app.router.add_get("/", handler)
    async with socket_backend.serve(app) as address:
        await exchange(address, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert seen == [address]


async def test_task_is_a_task(backend: Backend) -> None:
    assert await observe(backend, lambda request: isinstance(request.task, asyncio.Task))


async def test_loop_is_the_running_loop_and_deprecated(backend: Backend) -> None:
    def look(request: Any) -> Any:
        with pytest.warns(DeprecationWarning, match="loop"):
            return request.loop is asyncio.get_running_loop()

    assert await observe(backend, look)


async def test_repr(backend: Backend) -> None:
    assert await observe(backend, repr, "POST", "/a%20b?c=d") == "<Request POST /a b >"


# --- Storage --------------------------------------------------------------------------------------


async def test_storage_with_request_key(backend: Backend) -> None:
    key = backend.web.RequestKey("user", str)

    def look(request: Any) -> tuple[Any, ...]:
        before = request.get(key), request.get(key, "nobody"), key in request
        request[key] = "ann"
        return *before, request[key], request.get(key), key in request, len(request), list(request)

    assert await observe(backend, look) == (None, "nobody", False, "ann", "ann", True, 1, [key])


async def test_storage_with_str_key_warns_and_works(backend: Backend) -> None:
    def look(request: Any) -> Any:
        with pytest.warns(backend.web.NotAppKeyWarning, match="RequestKey"):
            request["user"] = "ann"
        return request["user"], "user" in request, dict(request)

    assert await observe(backend, look) == ("ann", True, {"user": "ann"})


async def test_storage_is_a_mutable_mapping(backend: Backend) -> None:
    first, second = backend.web.RequestKey("first", int), backend.web.RequestKey("second", int)

    def look(request: Any) -> Any:
        request.update({first: 1})
        assert request.setdefault(second, 2) == 2
        assert request.pop(first) == 1
        assert list(request.items()) == [(second, 2)]
        del request[second]
        return len(request)

    assert await observe(backend, look) == 0


async def test_storage_without_the_key_is_a_key_error(backend: Backend) -> None:
    with pytest.raises(KeyError):
        await observe(backend, lambda request: request[backend.web.RequestKey("user", str)])


async def test_empty_request_is_true(backend: Backend) -> None:
    assert await observe(backend, bool) is True


async def test_requests_are_equal_by_identity_only(backend: Backend) -> None:
    assert await observe(backend, lambda r: (r == r.clone(), r == {}, r == r)) == (False, False, True)


async def test_storage_is_per_request(backend: Backend) -> None:
    key = backend.web.RequestKey("user", str)
    seen: list[Any] = []

    async def handler(request: Any) -> Any:
        seen.append(request.get(key))
        request[key] = "ann"
        return backend.web.Response()

    app = backend.web.Application()
    app.router.add_get("/", handler)
    async with backend.client(app) as client:
        await client.get("/")
        await client.get("/")
    assert seen == [None, None]


async def test_request_takes_attributes(backend: Backend) -> None:
    def look(request: Any) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            request.user = "ann"
        return request.user

    assert await observe(backend, look) == "ann"


async def test_request_key_shows_its_name_and_type(backend: Backend) -> None:
    text = repr(backend.web.RequestKey("user", str))
    assert text.startswith("<RequestKey(")
    assert text.endswith(".user, type=str)>")


# --- Application ----------------------------------------------------------------------------------


async def test_app_and_config_dict(backend: Backend) -> None:
    web = backend.web
    outer_key, inner_key = web.AppKey("outer", str), web.AppKey("inner", str)
    seen: list[Any] = []

    async def handler(request: Any) -> Any:
        seen.append(request.app is sub)
        seen.append((request.config_dict[outer_key], request.config_dict[inner_key], outer_key in request.app))
        seen.append((request.config_dict.get(web.AppKey("none", str)), len(request.config_dict)))
        return web.Response()

    app, sub = web.Application(), web.Application()
    app[outer_key], sub[inner_key] = "o", "i"
    sub.router.add_get("/", handler)
    app.add_subapp("/sub", sub)
    async with backend.client(app) as client:
        await client.get("/sub/")
    assert seen == [True, ("o", "i", False), (None, 2)]


async def test_config_dict_prefers_the_inner_application(backend: Backend) -> None:
    web = backend.web
    key = web.AppKey("name", str)
    seen: list[Any] = []

    async def handler(request: Any) -> Any:
        seen.append(request.config_dict[key])
        return web.Response()

    app, sub = web.Application(), web.Application()
    app[key], sub[key] = "outer", "inner"
    sub.router.add_get("/", handler)
    app.add_subapp("/sub", sub)
    async with backend.client(app) as client:
        await client.get("/sub/")
    assert seen == ["inner"]


# --- clone() --------------------------------------------------------------------------------------


async def test_clone_replaces_what_it_is_given(backend: Backend) -> None:
    def look(request: Any) -> Any:
        return request.clone(
            method="POST",
            rel_url="/x?y=1",
            headers={"X-A": "b"},
            scheme="https",
            host="example.com:1",
            remote="192.0.2.1",
            client_max_size=7,
        )

    clone = await observe(backend, look, path="/a")
    assert (clone.method, clone.path, clone.query_string) == ("POST", "/x", "y=1")
    assert (clone.scheme, clone.secure, clone.host, clone.remote) == ("https", True, "example.com:1", "192.0.2.1")
    assert str(clone.url) == "https://example.com:1/x?y=1"
    assert list(clone.headers.items()) == [("X-A", "b")]
    assert clone.raw_headers == ((b"X-A", b"b"),)
    assert clone.client_max_size == 7


async def test_clone_keeps_the_rest(backend: Backend) -> None:
    key = backend.web.RequestKey("user", str)

    def look(request: Any) -> Any:
        request[key] = "ann"
        clone = request.clone()
        assert clone is not request
        assert type(clone) is type(request)
        assert (clone.app, clone.match_info) == (request.app, request.match_info)
        assert (clone.method, clone.url, clone.headers) == (request.method, request.url, request.headers)
        assert (clone.remote, clone.version) == (request.remote, request.version)
        assert clone.client_max_size == request.client_max_size
        return clone[key]

    assert await observe(backend, look, path="/a?b=c") == "ann"


async def test_clone_has_storage_of_its_own(backend: Backend) -> None:
    key = backend.web.RequestKey("user", str)

    def look(request: Any) -> Any:
        clone = request.clone()
        clone[key] = "ann"
        return key in request

    assert await observe(backend, look) is False


async def test_clone_takes_a_url(backend: Backend) -> None:
    clone = await observe(backend, lambda r: r.clone(rel_url=URL("/a%2Fb?c=%20")))
    assert (clone.path, clone.raw_path, clone.query["c"]) == ("/a/b", "/a%2Fb?c=%20", " ")


async def test_clone_reads_the_body(backend: Backend) -> None:
    assert await observe(backend, lambda request: request.clone().read(), "POST", content=b"body") == b"body"


async def test_clone_after_read_is_an_error(backend: Backend) -> None:
    async def look(request: Any) -> Any:
        await request.read()
        return request.clone()

    with pytest.raises(RuntimeError, match="Cannot clone request after reading its content"):
        await observe(backend, look, "POST", content=b"body")


async def test_clone_after_read_of_no_body(backend: Backend) -> None:
    async def look(request: Any) -> Any:
        await request.read()
        return request.clone().method

    assert await observe(backend, look) == "GET"


async def test_default_client_max_size_is_one_mebibyte(backend: Backend) -> None:
    assert await observe(backend, lambda request: request.client_max_size) == 1024**2


async def test_request_is_a_base_request(backend: Backend) -> None:
    web = backend.web
    assert await observe(backend, lambda r: isinstance(r, web.Request) and isinstance(r, web.BaseRequest))


async def test_connection_serves_many_requests(backend: Backend) -> None:
    web = backend.web

    async def handler(request: Any) -> Any:
        return web.Response(text=request.path)

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handler)
    async with backend.client(app) as client:
        bodies = [(await client.get(f"/{number}")).text for number in range(20)]
    assert bodies == [f"/{number}" for number in range(20)]


async def test_concurrent_requests_do_not_mix(backend: Backend) -> None:
    web = backend.web

    async def handler(request: Any) -> Any:
        await asyncio.sleep(0)
        return web.Response(text=f"{request.path} {await request.text()}")

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handler)
    async with backend.client(app) as client:
        responses = await asyncio.gather(*(client.post(f"/{n}", content=str(n)) for n in range(10)))
    assert [response.text for response in responses] == [f"/{n} {n}" for n in range(10)]


async def test_pipelined_requests_are_answered_in_order(socket_backend: SocketBackend) -> None:
    data = b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    seen, received = await see_raw(socket_backend, lambda request: request.path, data)
    assert seen == ["/1", "/2"]
    assert received.count(b"HTTP/1.1 200 OK") == 2


async def test_ask_reaches_any_path(backend: Backend) -> None:
    async def handler(request: Any) -> Any:
        return backend.web.Response(text=request.path)

    assert (await ask(backend, handler, path="/deep/er")).text == "/deep/er"

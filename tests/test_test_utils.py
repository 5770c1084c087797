"""`make_mocked_request`: aiohttp's and ours, asked the same questions."""

from __future__ import annotations

import importlib
from typing import Any
from unittest import mock

import aiohttp.test_utils
import aiohttp.web
import pytest
from multidict import CIMultiDict

import framework.test_utils
from framework import web

PAIRS: list[Any] = [
    pytest.param((importlib.import_module("aiohttp.web"), aiohttp.test_utils.make_mocked_request), id="aiohttp"),
    pytest.param((importlib.import_module("framework.web"), framework.test_utils.make_mocked_request), id="framework"),
]


@pytest.fixture(params=PAIRS)
def pair(request: pytest.FixtureRequest) -> Any:
    """The modules `web` and the functions `make_mocked_request` of aiohttp and of this package, in turn."""
    return request.param


def coroutine_mock() -> Any:
    return mock.AsyncMock(return_value=None)


async def test_the_request_line(pair: Any) -> None:
    _, make = pair
    request = make("GET", "/path%20x?a=1")
    assert (request.method, request.path, request.path_qs) == ("GET", "/path x", "/path%20x?a=1")
    assert dict(request.query) == {"a": "1"}
    assert tuple(request.version) == (1, 1)
    assert request.scheme == "http"


@pytest.mark.parametrize("headers", [{"X-A": "1"}, CIMultiDict({"X-A": "1"}), [("X-A", "1")]])
async def test_headers(pair: Any, headers: Any) -> None:
    _, make = pair
    request = make("GET", "/", headers)
    assert request.headers["x-a"] == "1"
    assert request.raw_headers[0][1] == b"1"


async def test_match_info(pair: Any) -> None:
    _, make = pair
    assert dict(make("GET", "/").match_info) == {}
    request = make("GET", "/", match_info={"name": "x"})
    assert request.match_info["name"] == "x"


async def test_the_application(pair: Any) -> None:
    module, make = pair
    app = module.Application()
    request = make("GET", "/", app=app)
    assert request.app is app
    assert request.match_info.apps == (app,)
    assert make("GET", "/").app is not None


async def test_version_and_closing(pair: Any) -> None:
    _, make = pair
    version = type(make("GET", "/").version)
    assert make("GET", "/", version=version(1, 0)).keep_alive is False
    assert make("GET", "/", closing=True).keep_alive is False
    assert make("GET", "/").keep_alive is True


async def test_parts_that_are_handed_in_are_used(pair: Any) -> None:
    _, make = pair
    transport, protocol, writer, payload = mock.Mock(), mock.Mock(), mock.Mock(), mock.Mock()
    transport.get_extra_info.return_value = ("192.0.2.7", 1)
    protocol.transport = transport
    request = make("GET", "/", transport=transport, protocol=protocol, writer=writer, payload=payload)
    assert request.transport is transport
    assert request.protocol is protocol
    assert request.content is payload
    assert request.get_extra_info("peername") == ("192.0.2.7", 1)


async def test_sslcontext_makes_it_https(pair: Any) -> None:
    _, make = pair
    assert make("GET", "/", sslcontext=True).scheme == "https"


async def test_client_max_size(pair: Any) -> None:
    _, make = pair
    assert make("GET", "/").client_max_size == 1024**2
    assert make("GET", "/", client_max_size=7).client_max_size == 7


async def test_a_payload_is_read(pair: Any) -> None:
    _, make = pair
    payload = mock.Mock()
    payload.readany = mock.AsyncMock(side_effect=[b'{"a"', b": 1}", b""])
    request = make("POST", "/", {"Content-Type": "application/json"}, payload=payload)
    assert await request.json() == {"a": 1}


async def test_a_payload_beyond_the_limit(pair: Any) -> None:
    module, make = pair
    payload = mock.Mock()
    payload.readany = mock.AsyncMock(side_effect=[b"x" * 8, b""])
    request = make("POST", "/", payload=payload, client_max_size=7)
    with pytest.raises(module.HTTPRequestEntityTooLarge):
        await request.read()


async def test_without_a_payload_the_body_is_empty(pair: Any) -> None:
    _, make = pair
    assert make("GET", "/").can_read_body is False


async def test_a_handler_can_be_called(pair: Any) -> None:
    module, make = pair

    async def handler(request: Any) -> Any:
        return module.Response(text=request.match_info["name"])

    response = await handler(make("GET", "/", match_info={"name": "x"}))
    assert response.text == "x"


async def test_a_response_can_be_prepared(pair: Any) -> None:
    module, make = pair
    request = make("GET", "/")
    response = module.Response(text="hi", headers={"X-A": "1"})
    writer = await response.prepare(request)
    assert writer is not None
    assert response.prepared
    assert response.headers["Content-Length"] == "2"
    await response.write_eof()


async def test_a_stream_can_be_prepared_and_written(pair: Any) -> None:
    module, make = pair
    writer = mock.Mock()
    writer.write = coroutine_mock()
    writer.write_eof = coroutine_mock()
    writer.write_headers = coroutine_mock()
    writer.drain = coroutine_mock()
    request = make("GET", "/", writer=writer)
    response = module.StreamResponse()
    await response.prepare(request)
    await response.write(b"a")
    await response.write_eof(b"b")
    assert [call.args[0] for call in writer.write.await_args_list] == [b"a"]
    assert [call.args[0] for call in writer.write_eof.await_args_list] == [b"b"]


async def test_receivers_of_on_response_prepare_are_called(pair: Any) -> None:
    module, make = pair
    called = []

    async def on_prepare(request: Any, response: Any) -> None:
        called.append((request, response))

    app = module.Application()
    app.on_response_prepare.append(on_prepare)
    app.on_response_prepare.freeze()
    request = make("GET", "/", app=app)
    response = module.Response()
    await response.prepare(request)
    assert called == [(request, response)]


async def test_a_mocked_request_can_be_cloned(pair: Any) -> None:
    _, make = pair
    clone = make("GET", "/a", {"X-A": "1"}).clone(method="POST", rel_url="/b")
    assert (clone.method, clone.path, clone.headers["X-A"]) == ("POST", "/b", "1")


async def test_a_view_can_be_run() -> None:
    class Page(web.View):
        async def get(self) -> web.Response:
            return web.Response(text=self.request.path)

    request = framework.test_utils.make_mocked_request("GET", "/page")
    response: Any = await Page(request)
    assert response.text == "/page"


async def test_a_router_can_be_asked(pair: Any) -> None:
    module, make = pair

    async def handler(request: Any) -> Any:
        return module.Response()

    app = module.Application()
    app.router.add_get("/users/{id}", handler)
    info = await app.router.resolve(make("GET", "/users/7%2F8"))
    assert dict(info) == {"id": "7/8"}
    assert info.handler is handler
    miss = await app.router.resolve(make("POST", "/users/7"))
    assert miss.http_exception.allowed_methods == {"GET", "HEAD"}

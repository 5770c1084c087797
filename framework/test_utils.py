"""Helpers for unit tests of handlers, under the names that aiohttp.test_utils gives them."""

from __future__ import annotations

import asyncio
import inspect
import socket
from typing import Any
from unittest import mock
from urllib.parse import unquote

from multidict import CIMultiDict
from yarl import URL

from framework.applications import Application
from framework.exceptions import HTTPNotFound
from framework.http_version import HttpVersion, HttpVersion11
from framework.requests import Request
from framework.routing.match_info import UrlMappingMatchInfo
from framework.routing.routes import SystemRoute
from framework.streams import StreamReader
from framework.typedefs import LooseHeaders, Message

__all__ = ("make_mocked_coro", "make_mocked_request", "unused_port")

_UNSET: Any = object()


def make_mocked_request(
    method: str,
    path: str,
    headers: LooseHeaders | None = None,
    *,
    match_info: dict[str, str] = _UNSET,
    version: HttpVersion = HttpVersion11,
    closing: bool = False,
    app: Application | None = None,
    writer: Any = _UNSET,
    protocol: Any = _UNSET,
    transport: Any = _UNSET,
    payload: Any = _UNSET,
    sslcontext: Any = None,
    client_max_size: int = 1024**2,
    client_max_fields: int = 1000,
    loop: asyncio.AbstractEventLoop | None = None,
) -> Request:
    """A request without a server, for calling a handler in a unit test.

    Args:
        method: the method.
        path: the path and the query, percent-encoded.
        headers: the headers.
        match_info: what ``request.match_info`` shall have.
        version: the version of HTTP.
        closing: whether the client asked for the connection to be closed.
        app: what ``request.app`` shall be; an application of its own where none is given.
        writer: what ``request.writer`` shall be; its coroutines ``write`` and ``write_eof`` are awaited with what a
            prepared response sends, where it has them.
        protocol: what ``request.protocol`` shall be.
        transport: what ``request.transport`` shall be; a mock that knows ``sslcontext`` where none is given.
        payload: what ``request.content`` shall be: a stream with ``read``, ``readany`` and the like.
        sslcontext: what the transport says of TLS; one makes the scheme ``https``.
        client_max_size: the most bytes of body that ``request.read()`` takes.
        client_max_fields: the most fields a form may have.
        loop: not used.

    A response that is prepared with the request sends nowhere; ``await response.prepare(request)`` and
    ``await handler(request)`` work.
    """
    if version < HttpVersion11:
        closing = True
    raw_headers = CIMultiDict(headers) if headers is not None else CIMultiDict[str]()
    if closing and "Connection" not in raw_headers:
        raw_headers["Connection"] = "close"
    if path.startswith(("http://", "https://")):
        # A request target in absolute form (RFC 9112, section 3.2.2): its authority goes before Host.
        target = URL(path, encoded=True)
        raw_headers["Host"] = target.raw_authority
        path = target.raw_path_qs
    raw_path, _, query = path.partition("?")
    if transport is _UNSET:
        transport = _mock_transport(sslcontext)
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": f"{version.major}.{version.minor}",
        "method": method.upper(),
        "scheme": "http" if sslcontext is None else "https",
        "path": unquote(raw_path),
        "raw_path": raw_path.encode("utf-8", "surrogateescape"),
        "query_string": query.encode("utf-8", "surrogateescape"),
        "root_path": "",
        "headers": [
            (name.lower().encode("latin-1"), value.encode("utf-8", "surrogateescape"))
            for name, value in raw_headers.items()
        ],
        "client": _peer(transport),
        "server": ("127.0.0.1", 80),
    }
    if writer is _UNSET:
        writer = mock.Mock()
    if protocol is _UNSET:
        protocol = mock.Mock()
    if payload is _UNSET:
        payload = StreamReader()
        payload.feed_eof()

    async def send(message: Message) -> None:
        if message["type"] == "http.response.body":
            write = getattr(writer, "write" if message.get("more_body") else "write_eof", None)
            result = write(message.get("body", b"")) if callable(write) else None
            if inspect.isawaitable(result):
                await result

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    request = Request.mocked(
        scope,
        receive,
        send,
        stream=payload,
        transport=transport,
        protocol=protocol,
        writer=writer,
        task=mock.Mock(),
        client_max_size=client_max_size,
        client_max_fields=client_max_fields,
    )
    info = UrlMappingMatchInfo({} if match_info is _UNSET else match_info, _MockedRoute())
    info.add_app(Application() if app is None else app)
    request.set_match_info(info)
    return request


def make_mocked_coro(return_value: Any = _UNSET, raise_exception: Any = _UNSET) -> mock.Mock:
    """A mock whose calls are coroutines; how it was called is known when it was called, awaited or not.

    Args:
        return_value: what the coroutines return.
        raise_exception: what they raise instead.
    """

    async def answer(*args: Any, **kwargs: Any) -> Any:
        if raise_exception is not _UNSET:
            raise raise_exception
        return return_value

    return mock.Mock(wraps=answer)


def unused_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens at now; another program may before the test does.

    `framework.testing.server` and ``port=0`` have no such gap.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


class _MockedRoute(SystemRoute):
    """The route of a request that no router saw."""

    def __init__(self) -> None:
        super().__init__(HTTPNotFound())


def _mock_transport(sslcontext: Any) -> Any:
    transport = mock.Mock()

    def get_extra_info(name: str, default: Any = None) -> Any:
        return sslcontext if name == "sslcontext" else default

    transport.get_extra_info.side_effect = get_extra_info
    transport.is_closing.return_value = False
    return transport


def _peer(transport: Any) -> tuple[str, int] | None:
    """The client's address, where the transport tells one as asyncio's do."""
    peername = transport.get_extra_info("peername")
    return tuple(peername[:2]) if isinstance(peername, (list, tuple)) and len(peername) >= 2 else None

"""Type aliases shared by the whole package: ASGI's, and the ones that ``aiohttp.typedefs`` gives to programs."""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from multidict import CIMultiDict, CIMultiDictProxy, MultiDict, MultiDictProxy, istr
from yarl import URL, Query

if TYPE_CHECKING:
    from http.cookies import BaseCookie, Morsel

    from framework.requests import Request
    from framework.responses import StreamResponse

__all__ = (
    "DEFAULT_JSON_DECODER",
    "DEFAULT_JSON_ENCODER",
    "ASGIApp",
    "Byteish",
    "ForeignASGIApp",
    "Handler",
    "JSONBytesEncoder",
    "JSONDecoder",
    "JSONEncoder",
    "LooseCookies",
    "LooseHeaders",
    "Message",
    "Middleware",
    "MultiMapping",
    "PathLike",
    "Query",
    "RawHeaders",
    "Receive",
    "Scope",
    "Send",
    "StrOrURL",
)

# ASGI 3, "Applications": https://asgi.readthedocs.io/en/latest/specs/main.html
Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
ASGIApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
#: An application of another framework, whose own types for the three differ from ours and from each other's.
ForeignASGIApp: TypeAlias = Callable[[Any, Any, Any], Awaitable[None]]

Byteish: TypeAlias = bytes | bytearray | memoryview
JSONEncoder: TypeAlias = Callable[[Any], str]
JSONBytesEncoder: TypeAlias = Callable[[Any], bytes]
JSONDecoder: TypeAlias = Callable[[str], Any]
DEFAULT_JSON_ENCODER: JSONEncoder = json.dumps
DEFAULT_JSON_DECODER: JSONDecoder = json.loads

MultiMapping: TypeAlias = MultiDict[str] | MultiDictProxy[str] | CIMultiDict[str] | CIMultiDictProxy[str]
LooseHeaders: TypeAlias = (
    Mapping[str, str] | Mapping[istr, str] | CIMultiDict[str] | CIMultiDictProxy[str] | Iterable[tuple[str | istr, str]]
)
RawHeaders: TypeAlias = tuple[tuple[bytes, bytes], ...]
StrOrURL: TypeAlias = str | URL
PathLike: TypeAlias = "str | os.PathLike[str]"
LooseCookies: TypeAlias = (
    "Mapping[str, str | BaseCookie[str] | Morsel[Any]]"
    " | Iterable[tuple[str, str | BaseCookie[str] | Morsel[Any]]]"
    " | BaseCookie[str]"
)

Handler: TypeAlias = Callable[["Request"], Awaitable["StreamResponse"]]


class Middleware(Protocol):
    """What ``Application(middlewares=…)`` takes: a coroutine function decorated with ``web.middleware``."""

    def __call__(self, request: Request, handler: Handler) -> Awaitable[StreamResponse]: ...

"""The request that failed, and what served it, in words: secrets masked, nothing of the body read."""

from __future__ import annotations

import asyncio
import inspect
import os
import platform
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from itertools import islice
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, quote

import framework
from framework.debug.masking import MASK, is_secret, mask_header, mask_query, mask_urls
from framework.debug.source import short_name
from framework.debug.values import class_name
from framework.typedefs import Scope

__all__ = ("Asked", "Rows", "describe_environment", "describe_request")

#: Names and values.
Rows = list[tuple[str, str]]

_MAX_ROWS: Final = 100
_MAX_VALUE: Final = 1000

#: Whose calls are below the application's own: no server says in the scope which one it is.
_SERVERS: Final = ("uvicorn", "hypercorn", "granian", "daphne", "anycorn")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request."""

    method: str
    #: Path and query.
    target: str
    #: The template of the route; empty where none was found.
    route: str
    #: The handler's name, and where it is; empty where they are not known.
    handler: str
    handler_place: str
    #: Names and values under headings.
    tables: list[tuple[str, Rows]]


def describe_request(scope: Scope) -> Asked:
    """The request of ``scope``, as far as the application knows it by now."""
    route = scope.get("route")
    query = scope.get("query_string", b"").decode("latin-1")
    raw_path = scope.get("raw_path")
    target = quote(scope["path"]) if raw_path is None else raw_path.decode("latin-1")
    if query:
        target = f"{target}?{mask_query(query)}"
    handler, place = _handler(scope["endpoint"]) if "endpoint" in scope else ("", "")
    tables = [
        ("Route", _route(route)),
        ("Path", _rows((name, str(value)) for name, value in (scope.get("path_params") or {}).items())),
        ("Query", _rows(_masked(parse_qsl(query, keep_blank_values=True, errors="backslashreplace")))),
        ("Headers", _rows(_headers(scope))),
        ("Connection", _rows(_connection(scope))),
    ]
    return Asked(
        method=scope.get("method", "GET"),
        target=_cut(target),
        route=_guarded(lambda: route.path) if route is not None else "",
        handler=handler,
        handler_place=place,
        tables=[(heading, rows) for heading, rows in tables if rows],
    )


def describe_environment() -> Rows:
    """What the program runs on."""
    loop = type(asyncio.get_running_loop())
    rows = [
        ("Python", f"{platform.python_implementation()} {platform.python_version()} on {sys.platform}"),
        ("framework", framework.__version__),
        ("Server", _server()),
        ("Event loop", f"{loop.__module__}.{loop.__qualname__}"),
        ("Process", str(os.getpid())),
        ("Working directory", _guarded(Path.cwd)),
    ]
    return [(name, value) for name, value in rows if value]


def _route(route: Any) -> Rows:
    if route is None:
        return [("Path", "none matches")]
    told = [
        ("Path", _guarded(lambda: route.path)),
        ("Name", _guarded(lambda: route.name)),
        ("Method", _guarded(lambda: route.method)),
    ]
    return [(name, value) for name, value in told if value]


def _handler(handler: Any) -> tuple[str, str]:
    """The name of a handler, and its place."""
    try:
        function = inspect.unwrap(handler)
        name = f"{function.__module__}.{function.__qualname__}"
        code = getattr(function, "__code__", None)
        place = "" if code is None else f"{short_name(code.co_filename)}:{code.co_firstlineno}"
    except Exception:  # an object of the program's own, which need not have a name
        return class_name(type(handler)), ""
    return name, place


def _masked(pairs: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    for name, value in pairs:
        yield name, MASK if value and is_secret(name) else mask_urls(value)


def _headers(scope: Scope) -> Iterator[tuple[str, str]]:
    for raw_name, raw_value in scope.get("headers", ()):
        name, value = raw_name.decode("latin-1"), raw_value.decode("utf-8", "backslashreplace")
        yield name.title(), mask_header(name, value)


def _connection(scope: Scope) -> Iterator[tuple[str, str]]:
    protocol = f"HTTP/{scope.get('http_version', '?')}"
    yield "Protocol", f"WebSocket over {protocol}" if scope["type"] == "websocket" else protocol
    yield "Scheme", str(scope.get("scheme", ""))
    for name in ("client", "server"):
        if scope.get(name):
            yield name.capitalize(), " ".join(str(part) for part in scope[name] if part is not None)
    if scope.get("root_path"):
        yield "Root path", scope["root_path"]


def _rows(pairs: Iterator[tuple[str, str]]) -> Rows:
    rows = [(_cut(name), _cut(value)) for name, value in islice(pairs, _MAX_ROWS)]
    more = sum(1 for _ in pairs)
    return [*rows, ("…", f"{more} more")] if more else rows


def _server() -> str:
    """The name and the version of the server that has called; empty where that is none of those that are known."""
    for frame, _ in traceback.walk_stack(None):
        package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if package in _SERVERS:
            try:
                return f"{package} {version(package)}"
            except PackageNotFoundError:
                return package
    return ""


def _guarded(ask: Callable[[], Any]) -> str:
    """What ``ask`` gives as text; empty where it raises, being the program's own code."""
    try:
        return str(ask() or "")
    except Exception:
        return ""


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_VALUE else f"{text[:_MAX_VALUE]}… ({len(text) - _MAX_VALUE} more characters)"

"""Request ids: one for each request, in the response, in the access log, and in whatever handlers log."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

from framework.middlewares import middleware
from framework.responses import Response
from framework.sansio.headers import check_header_name, check_header_value

if TYPE_CHECKING:
    from framework.requests import Request
    from framework.responses import StreamResponse
    from framework.typedefs import Handler, Middleware, Scope

__all__ = ("RequestIdFilter", "forget_request_id", "request_id", "request_id_middleware", "request_id_of")

#: The id of the request that the running code belongs to; None outside of requests.
#:
#: `request_id_middleware` sets it, for the handler, the tasks that it starts, threads of `asyncio.to_thread`,
#: background tasks, and what is logged about the request after the handler has ended.
request_id: ContextVar[str | None] = ContextVar("framework.request_id", default=None)

#: Where the scope has it, for an access log around middlewares that run the application in a task of its own.
_KEY: Final = "framework.request_id"

#: What may come from a client. Nothing that a shell, a log viewer, a spreadsheet or a file system understands: ids get
#: everywhere. UUIDs, ULIDs, trace ids and base64url fit.
_SANE: Final = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._:=+-]{0,127}")


def request_id_middleware(
    *,
    header: str = "X-Request-ID",
    inbound: bool = True,
    generate: Callable[[], str] | None = None,
) -> Middleware:
    """A middleware that gives each request an id, which `request_id` has and the response's header says.

        app = web.Application(middlewares=[web.request_id_middleware()])

    It should be the outermost, of the outermost application, so that what the others log has the id. (A request that
    goes past it may begin with the id of another one of its connection under a server's own command; not under
    `run_app` and the runners.) Every response has the header: those of
    handlers, streams, files, WebSockets, mounted applications, misses and failures.

    Args:
        header: the name of the header, in request and response.
        inbound: take the id that a request brings, if it is one: up to 128 letters, digits and ``._:=+-``, the first a
            letter or a digit, in one header. Turn it off where clients are not to choose ids and no proxy replaces
            theirs.
        generate: makes the ids of all other requests; by default 128 random bits in hexadecimal digits.

    Raises ValueError for a header that is none, and for each request where `generate` makes what no header can hold.
    """
    check_header_name(header)
    name = header.lower().encode("ascii")
    make = generate or _random_id

    @middleware
    async def assign(request: Request, handler: Handler) -> StreamResponse:
        # A second middleware, in a sub-application or a mounted one, goes on with what the first has chosen.
        value: str | None = request.scope.get(_KEY)
        if value is None and inbound:
            value = _brought(request.scope, name)
        if value is None:
            value = make()
            check_header_value(header, value)
        # Never reset: what is logged and started after the handler belongs to the request too. The task is its own.
        request_id.set(value)
        request.scope[_KEY] = value
        request.add_prepare_signal(_SetHeader(header, value))
        response = await handler(request)
        if type(response) is Response:
            # The signal has not come by.
            response.add_late_header(name, value.encode("utf-8", "surrogateescape"))
        return response

    return assign


class _SetHeader:
    """A receiver of ``on_response_prepare`` for one request."""

    __slots__ = ("_name", "_value")

    def __init__(self, name: str, value: str) -> None:
        self._name = name
        self._value = value

    async def send(self, request: Request, response: StreamResponse) -> None:
        response.headers[self._name] = self._value


def _random_id() -> str:
    return os.urandom(16).hex()


def _brought(scope: Scope, name: bytes) -> str | None:
    found = [value for key, value in scope["headers"] if key == name]
    if len(found) == 1 and _SANE.fullmatch(found[0]):
        text: str = found[0].decode("ascii")
        return text
    return None


def request_id_of(scope: Scope) -> str | None:
    """The id of the request that ``scope`` describes, as seen from around the application."""
    value: str | None = scope.get(_KEY)
    return request_id.get() if value is None else value


def forget_request_id() -> None:
    """Begin a request without the id of another one, in whose context the server may have begun it.

    A request that was sent behind another is begun by that one's task, when it is answered; and asyncio handles what a
    connection receives in the context of whoever had it go on reading (CPython issue 140947).
    """
    if request_id.get() is not None:
        request_id.set(None)


class RequestIdFilter(logging.Filter):
    """Gives log records an attribute `request_id`, ``-`` outside of requests, and lets all of them pass.

        handler.addFilter(web.RequestIdFilter())
        handler.setFormatter(logging.Formatter("%(levelname)s %(request_id)s %(message)s"))

    It belongs to handlers, so that records of all loggers come by; of a `logging.handlers.QueueHandler`, rather than
    what its listener calls in another thread. A record that has the attribute already keeps it.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        if not hasattr(record, "request_id"):
            record.request_id = request_id.get() or "-"
        return True

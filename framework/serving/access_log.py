"""The access log: what runs an access logger around an ASGI application.

`AccessLog` stands between the server and the application. It watches what is sent (`Sent`), and when the application
has returned gives request and response to an `AbstractAccessLogger`. The loggers of this package are content with what
ASGI's scope and messages say; any other class gets the `Request` and the `StreamResponse` of the handler, which the
application tells by an `Exchange`.
"""

from __future__ import annotations

import contextlib
import inspect
import logging
import time
from typing import TYPE_CHECKING, Any, Final

from framework.asgi.exchange import EXCHANGE, Exchange
from framework.requests import Request
from framework.responses import Response, StreamResponse, as_sent
from framework.sansio.headers import decode_headers
from framework.serving.access_loggers import AbstractAccessLogger, AccessLogger, access_logger

if TYPE_CHECKING:
    from multidict import CIMultiDictProxy

    from framework.typedefs import ASGIApp, Message, Receive, Scope, Send

__all__ = ["AccessLog", "AccessLogMiddleware", "Sent", "make_access_log"]

_logger = logging.getLogger("framework.server")

#: What nginx writes for a client that left before it was answered; no response has it.
_NO_ANSWER: Final = 499


class Sent:
    """What was sent to the server for one request, as its messages say; request and response in one for a line."""

    __slots__ = ("_raw_headers", "_send", "body_length", "scope", "status")

    def __init__(self, scope: Scope, send: Send) -> None:
        self.scope = scope
        #: 0 while nothing was answered.
        self.status = 0
        #: Bytes of the body.
        self.body_length = 0
        self._send = send
        self._raw_headers: Any = ()

    async def send(self, message: Message) -> None:
        """The ``send`` of an application with an ``http`` scope."""
        kind = message["type"]
        if kind == "http.response.start":
            self.status = message["status"]
            self._raw_headers = message.get("headers") or ()
        elif kind == "http.response.body":
            self.body_length += len(message.get("body", b""))
        elif kind == "http.response.zerocopysend":
            self.body_length += message.get("count") or 0
        elif kind == "http.response.pathsend":
            length = self.headers.get("Content-Length", "")
            self.body_length += int(length) if length.isascii() and length.isdecimal() else 0
        await self._send(message)

    def send_websocket(self, message: Message) -> Any:
        """The ``send`` of an application with a ``websocket`` scope.

        A function that gives an awaitable, so that a message costs no second coroutine.
        """
        kind = message["type"]
        if kind != "websocket.send":
            if kind == "websocket.accept":
                self.status = 101
                self._raw_headers = message.get("headers") or ()
            elif kind == "websocket.http.response.start":
                self.status = message["status"]
                self._raw_headers = message.get("headers") or ()
            elif kind == "websocket.http.response.body":
                self.body_length += len(message.get("body", b""))
            elif kind == "websocket.close" and not self.status:
                # ASGI, "WebSocket Close": before the accept, it makes the server answer 403.
                self.status = 403
        return self._send(message)

    @property
    def headers(self) -> CIMultiDictProxy[str]:
        """The response's headers."""
        return decode_headers(self._raw_headers)

    def finish(self, failed: bool) -> None:
        """Settle what the log says where nothing was answered: 500 by the server if the application ``failed``."""
        if not self.status:
            self.status = 500 if failed else _NO_ANSWER
        if self.scope.get("method") == "HEAD":
            self.body_length = 0


class SentResponse(StreamResponse):
    """What was sent, where it is not what a handler returned."""

    def __init__(self, sent: Sent) -> None:
        super().__init__(status=sent.status)
        for name, value in sent.headers.items():
            # An application of another kind may send what no header can hold, for the server to refuse.
            with contextlib.suppress(ValueError):
                self.headers.add(name, value)
        self._body_length = sent.body_length
        self._eof_sent = True


class AccessLog:
    """Runs an ASGI application for one request after the other, and has each of them logged.

    Args:
        logger: what writes the lines.
    """

    def __init__(self, logger: AbstractAccessLogger) -> None:
        self.logger = logger
        self._told: object = None
        # One of aiohttp's, in a program that has called `install_as_aiohttp`, has no such method.
        content = getattr(logger, "content_with_sent", None)
        #: Whether the logger is to get the handler's own request and response.
        self.needs_exchange = content is None or not content()

    @property
    def enabled(self) -> bool:
        """Whether there is anything to do; else the application can be called without this."""
        try:
            return self.logger.enabled
        except Exception:
            _logger.exception("Error in the access log")
            return False

    async def run(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Run ``app`` for one request, and log the request when it has ended, however it has."""
        begun = time.perf_counter()
        sent = Sent(scope, send)
        exchange = None
        if self.needs_exchange:
            if app is not self._told:
                self.prepare(app)
            exchange = scope[EXCHANGE] = Exchange()
        failed = False
        try:
            await app(scope, receive, sent.send if scope["type"] == "http" else sent.send_websocket)
        except Exception:
            failed = True
            raise
        finally:
            sent.finish(failed)
            seconds = time.perf_counter() - begun
            try:
                if exchange is None:
                    self.logger.log(sent, sent, seconds)
                else:
                    request = exchange.request
                    if request is None:
                        request = Request(scope, receive, send)
                    result = self.logger.log(request, _response(exchange, sent), seconds)
                    if result is not None and inspect.isawaitable(result):
                        await result
            except Exception:
                _logger.exception("Error in the access log")
            finally:
                if exchange is not None:
                    # The request has the scope, which has this: a cycle, which only the garbage collector would free.
                    exchange.request = exchange.returned = None

    def prepare(self, app: ASGIApp) -> None:
        """Have ``app`` tell what it makes of requests, if it can and the logger needs it."""
        self._told = app
        tell = getattr(app, "tell_exchanges", None)
        if self.needs_exchange and tell is not None:
            tell()


def _response(exchange: Exchange, sent: Sent) -> StreamResponse:
    """The handler's own response if that is what was sent."""
    request = exchange.request
    if request is not None:
        begun, returned = request.response, exchange.returned
        if begun is not None and begun.status == sent.status:
            return begun
        if begun is None and isinstance(returned, Response) and returned.status == sent.status:
            return as_sent(returned, sent.body_length)
    return SentResponse(sent)


class AccessLogMiddleware:
    """The access log as an ASGI middleware, for applications that are run by a server's own command.

        app.add_asgi_middleware(web.AccessLogMiddleware, access_log_class=web.JSONAccessLogger)

    Turn the server's own log off: ``uvicorn --no-access-log``. Under `run_app` and the runners there is no need for it.

    Args:
        app: the ASGI application.
        access_log: gets a line for each request at level INFO.
        access_log_class: a subclass of `AbstractAccessLogger`.
        access_log_format: for that class.

    Raises TypeError for a class that is none of these, KeyError as `AccessLogger`.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        access_log: logging.Logger = access_logger,
        access_log_class: type[AbstractAccessLogger] = AccessLogger,
        access_log_format: str = AccessLogger.LOG_FORMAT,
    ) -> None:
        self._app = app
        self._log = AccessLog(_make_logger(access_log, access_log_class, access_log_format))
        #: Whether the `Application` inside is to tell what it makes of requests, see `Application.tell_exchanges`.
        self.needs_exchange = self._log.needs_exchange
        self._log.prepare(app)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan" and self._log.enabled:
            await self._log.run(self._app, scope, receive, send)
        else:
            await self._app(scope, receive, send)


def make_access_log(
    access_log: logging.Logger | None,
    access_log_class: type[AbstractAccessLogger] = AccessLogger,
    access_log_format: str = AccessLogger.LOG_FORMAT,
) -> AccessLog | None:
    """What `run_app` and the runners run each request by; None where ``access_log`` is None.

    Raises TypeError for an ``access_log_class`` that is no `AbstractAccessLogger`, and what the class itself raises.
    """
    return None if access_log is None else AccessLog(_make_logger(access_log, access_log_class, access_log_format))


def _make_logger(
    access_log: logging.Logger, access_log_class: type[AbstractAccessLogger], access_log_format: str
) -> AbstractAccessLogger:
    if not (isinstance(access_log_class, type) and issubclass(access_log_class, AbstractAccessLogger)):
        raise TypeError(f"access_log_class must be a subclass of web.AbstractAccessLogger, got {access_log_class!r}")
    return access_log_class(access_log, access_log_format)

"""The ``http`` scope: from a request to its response. This is the hot path.

One request is one call of `HTTPResponder.respond`: match the path, make the `Request`, await the handler inside its
middlewares, send what it returned. What goes wrong on the way is sorted out in `_recover`.
"""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from framework.asgi.errors import error_response, report_exception
from framework.exception_handlers import ExceptionHandler, ExceptionHandlers
from framework.exceptions import HTTPBadRequest, HTTPException, HTTPInternalServerError, HTTPUnsupportedMediaType
from framework.requests import Request
from framework.responses import Response, StreamResponse, one_shot
from framework.routing.match_info import CompiledMatchInfo
from framework.routing.matcher import Endpoint, Matcher
from framework.routing.routes import SystemRoute
from framework.sansio.paths import route_path
from framework.sansio.text import escape_controls
from framework.streams import ClientConnectionResetError, RequestPayloadError
from framework.typedefs import Receive, Scope, Send

if TYPE_CHECKING:
    from framework.applications import Application

__all__ = ("HTTPResponder",)


class HTTPResponder:
    """Answers the http requests of a frozen application.

    ``matcher`` is None for an application whose router decides by code of its own; its requests go by the router's
    ``resolve``.
    """

    def __init__(self, app: Application, matcher: Matcher | None, *, is_debug: Callable[[], bool]) -> None:
        self._app = app
        # A path with a percent sign has more than one spelling in octets: it takes the way of dynamic ones.
        self._plain: dict[bytes | None, dict[str, Endpoint]] = {
            path.encode(): methods
            for path, methods in ({} if matcher is None else matcher.plain).items()
            if path.isascii() and "%" not in path
        }
        self._match = None if matcher is None else matcher.match
        self._needs_host = matcher is not None and matcher.needs_host
        # For routers of the program's own: bounded, as they may make a route for each request.
        self._chain = lru_cache(maxsize=1024)(app.chain)
        self._client_max_fields = app.client_max_fields
        self._is_debug = is_debug
        self._logger = app.logger

    async def respond(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        # PERF: the look-up that settles paths without dynamic parts is written out here, by the octets of the path so
        # that nothing in it needs decoding, and the names that observers read are set by assignment; a function for
        # each, and the decoded path, cost 0.4 µs of 2.5.
        method: str = scope["method"]
        try:
            raw_path: bytes | None = scope["raw_path"]
            root_path: str = scope["root_path"]
        except KeyError:  # both are optional
            raw_path, root_path = scope.get("raw_path"), scope.get("root_path", "")
        endpoint: Endpoint | None
        values: Any = ()
        methods = self._plain.get(raw_path)
        if methods is None or root_path or (endpoint := methods.get(method)) is None:
            if self._match is None:
                await self._respond_by_resolve(scope, receive, send)
                return
            if raw_path is None or root_path or b"%" in raw_path:
                path = route_path(scope)
            else:
                path = scope["path"]
            host = _host(scope) if self._needs_host else ""
            if host is None:
                # RFC 9112, section 3.2: which application was meant is anybody's guess.
                refusal = HTTPBadRequest(text="400: Bad Request: more than one Host header")
                request = Request(scope, receive, send)
                await self._recover(request, refusal)
                request.finish()
                return
            endpoint, values = self._match(path, method, host)

        request = Request(scope, receive, send, endpoint, values, endpoint.client_max_size, self._client_max_fields)
        if endpoint.route is not None:
            scope["route"] = endpoint.route
            scope["endpoint"] = endpoint.handler
            if values:
                match_info = CompiledMatchInfo(zip(endpoint.names, values))  # noqa: B905 - as many as names
                match_info.endpoint = endpoint
                request.match_info = scope["path_params"] = match_info
            else:
                scope["path_params"] = {}
        messages = None
        try:
            response = await endpoint.invoke(request)
            if (
                response.__class__ is Response
                and method != "HEAD"
                and not endpoint.on_prepare
                and request.response is None
            ):
                messages = one_shot(response)
            # PERF: nothing is left to do for a stream that its handler has ended: 1 µs.
            if messages is None and (request.response is not response or response is None or not response.eof_sent):
                await self._send(request, response)
        except BaseException as exc:
            await self._recover(request, exc)
        finally:
            if request.stream is not None or request.response is not None:
                request.finish()
        if messages is not None:
            start, body = messages
            try:
                await send(start)
                await send(body)
            except OSError as exc:
                # ASGI spec version 2.4: the client has gone.
                self._logger.debug("Ignored premature client disconnection", exc_info=exc)
        if request.background is not None:
            self._app.run_in_background(request.background)

    async def _respond_by_resolve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request of an application whose router, or a resource in it, decides by code of its own."""
        request = Request(scope, receive, send, None, (), self._app.client_max_size, self._client_max_fields)
        try:
            match_info = await self._app.router.resolve(request)
            match_info.add_app(self._app)
            match_info.freeze()
            request.set_match_info(match_info)
            if match_info.http_exception is None:
                scope["route"] = match_info.route
                scope["endpoint"] = match_info.handler
                scope["path_params"] = dict(match_info)
            route = None if isinstance(match_info.route, SystemRoute) else match_info.route
            await self._send(request, await self._chain(route, match_info.apps)(request))
        except BaseException as exc:
            await self._recover(request, exc)
        finally:
            request.finish()
        if request.background is not None:
            self._app.run_in_background(request.background)

    async def _send(self, request: Request, response: Any, raised: HTTPException | None = None) -> None:
        """Send what a handler returned or ``raised``, and end what it began."""
        if not isinstance(response, StreamResponse):
            begun = request.response
            if begun is not None and not begun.eof_sent:
                raise RuntimeError(f"The handler left {begun!r} without returning it or calling write_eof()")
            if response is None:
                self._logger.error("Missing return statement on request handler")
            else:
                self._logger.error("Web-handler should return a response instance, got %r", response)
            if begun is not None:
                return
            response = raised = HTTPInternalServerError()
        elif response.prepared and request.response is not response:
            raise RuntimeError(
                f"{response!r} was sent as the answer to another request: make a new response for each request"
            )
        # PERF: the class is an abstract one, which Python takes 0.3 µs to compare with.
        if isinstance(response, Exception) and response is not raised:
            warnings.warn(
                "returning HTTPException object is deprecated (#2415) and will be removed, "
                "please raise the exception instead",
                DeprecationWarning,
                stacklevel=2,
            )
        cancellation = request.cancellation
        if cancellation is not None:
            cancellation.watch(request)
        try:
            if not response.prepared:
                await response.prepare(request)
            await response.write_eof()
        finally:
            if cancellation is not None:
                cancellation.rest()

    async def _recover(self, request: Request, exc: BaseException) -> None:
        """Answer a request whose handler raised, or give up on it."""
        begun = request.response
        if isinstance(exc, ClientConnectionResetError):
            self._logger.debug("Ignored premature client disconnection", exc_info=exc)
            return
        if not isinstance(exc, Exception):
            if isinstance(exc, asyncio.CancelledError) and self._is_for_client(request):
                return
            raise exc
        if begun is not None and begun.prepared:
            # To end the response would make it look complete. The server closes the connection when we raise.
            self._log(request, exc)
            if await begun.fail():
                return
            raise exc
        if not isinstance(exc, HTTPException):
            # What was to follow the handler's success has nothing to follow.
            request.background = None
        cancellation = request.cancellation
        try:
            if cancellation is not None:
                cancellation.watch(request)
            response, raised = await self._answer(request, exc)
            await self._send(request, response, raised)
        except ClientConnectionResetError:
            self._logger.debug("Ignored premature client disconnection")
        except asyncio.CancelledError:
            if not self._is_for_client(request):
                raise
        except Exception as failure:
            # A receiver of on_response_prepare, most likely; whoever it is, the client shall have an answer.
            if request.response is not None and request.response.prepared:
                raise
            self._log(request, failure)
            await self._send_bare(request, error_response(request, 500, failure if self._is_debug() else None))
        finally:
            if cancellation is not None:
                cancellation.rest()

    def _is_for_client(self, request: Request) -> bool:
        """Whether the client, which has left, is all that a request was cancelled for."""
        if request.cancellation is None or not request.cancellation.end():
            return False
        self._logger.debug("Cancelled a handler whose client has disconnected")
        return True

    async def _answer(self, request: Request, exc: Exception) -> tuple[Any, HTTPException | None]:
        """What to send for an exception that nobody has caught, and the HTTP exception that it is, if it is one."""
        refusal: HTTPException | None = None
        if isinstance(exc, HTTPException):
            refusal = exc
        elif exc is request.decode_error or isinstance(exc, RequestPayloadError):
            refusal = _refusal(exc)
        apps = request.applications or (self._app,)
        found = _find(apps, lambda handlers: handlers.find(exc))
        if found is None and refusal is not None and refusal is not exc:
            refusal.__cause__ = exc
            exc = refusal
            found = _find(apps, lambda handlers: handlers.find(exc))
        if found is None:
            if refusal is not None:
                return refusal, refusal
            self._log(request, exc)
            status = 504 if isinstance(exc, asyncio.TimeoutError) else 500
            if not self._is_debug():
                found = _find(apps, lambda handlers: handlers.find_for_failure(status))
            if found is None:
                return error_response(request, status, exc if self._is_debug() else None), None
        app, handler = found
        request.enter(app)
        try:
            return await handler(request, exc), None
        except HTTPException as answer:
            return answer, answer

    async def _send_bare(self, request: Request, response: Response) -> None:
        """Send a response past the signals, one of which has failed."""
        bare = Request(request.scope, request.receive, request.send)
        try:
            await self._send(bare, response)
        finally:
            bare.finish()

    def _log(self, request: Request, exc: BaseException) -> None:
        # Behind a proxy, the address is text from a header.
        remote = request.remote
        self._logger.error(
            "Error handling request from %s", None if remote is None else escape_controls(remote), exc_info=exc
        )
        report_exception(request.scope, exc)


def _find(
    apps: tuple[Application, ...], find: Callable[[ExceptionHandlers], ExceptionHandler | None]
) -> tuple[Application, ExceptionHandler] | None:
    """The handler of the innermost application that has one."""
    for app in reversed(apps):
        if app.exception_handlers and (handler := find(app.exception_handlers)) is not None:
            return app, handler
    return None


def _refusal(exc: Exception) -> HTTPException:
    """What to answer to a request that cannot be understood, where the handler left that to us."""
    if isinstance(exc, UnicodeDecodeError):
        # It would show the whole body.
        return HTTPBadRequest(text="400: Bad Request: the body is not in its charset")
    # What quotes the client may hold octets that are no UTF-8.
    cause = str(exc).encode("utf-8", "backslashreplace").decode()
    if isinstance(exc, LookupError):
        return HTTPUnsupportedMediaType(text=f"415: Unsupported Media Type: {cause}")
    return HTTPBadRequest(text=f"400: Bad Request: {cause}")


def _host(scope: Scope) -> str | None:
    """The Host header, empty where there is none, None where there are several."""
    hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
    if len(hosts) > 1:
        return None
    return hosts[0] if hosts else ""

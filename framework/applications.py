"""`Application`: routes, middlewares, state and signals, and the ASGI callable that serves them."""

from __future__ import annotations

import asyncio
import logging
import sys
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, MutableMapping
from functools import update_wrapper
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar, cast, overload

from framework import hdrs
from framework.asgi.early_shutdown import ServerEnd
from framework.asgi.exchange import telling
from framework.asgi.http import HTTPResponder
from framework.asgi.inner_lifespan import INNER, Lifespan, LifespanError
from framework.asgi.lifespan import serve_lifespan
from framework.asgi.mount import MountedApp
from framework.asgi.websocket import OpenWebSockets, serve_websocket
from framework.background import BackgroundTasks
from framework.cleanup import CleanupContext
from framework.exception_handlers import ExceptionHandler, ExceptionHandlers
from framework.exceptions import HTTPNotFound
from framework.handler_cancellation import cancel_with_client
from framework.keys import AppKey, NotAppKeyWarning
from framework.middlewares import build_chain
from framework.requests import Request
from framework.responses import StreamResponse
from framework.routing.definitions import AbstractRouteDef
from framework.routing.dispatcher import UrlDispatcher
from framework.routing.domains import Domain, MaskDomain
from framework.routing.matcher import Irregular, Matcher
from framework.routing.mounts import MountResource
from framework.routing.resources import MatchedSubAppResource, PrefixedSubAppResource
from framework.routing.routes import AbstractRoute
from framework.signals import FrozenList, Signal
from framework.typedefs import ASGIApp, ForeignASGIApp, Handler, Middleware, Receive, Scope, Send

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ("Application",)

_T = TypeVar("_T")
_U = TypeVar("_U")
_P = ParamSpec("_P")

web_logger = logging.getLogger("framework.web")

#: Seconds that background tasks have to end at a cleanup, as long as `run_app` waits for handlers by default.
_BACKGROUND_TIMEOUT = 60.0


class Application(MutableMapping[str | AppKey[Any], Any]):
    """A web application, and the ASGI callable that serves it.

    Args:
        logger: where errors of handlers are logged.
        router: a `UrlDispatcher` of your own; deprecated, as in aiohttp.
        middlewares: the middlewares, the outermost first.
        handler_args: options for aiohttp's own server; kept and not used.
        client_max_size: the most bytes of body that ``request.read()`` and its companions take; 0 for any number.
        client_max_fields: the most fields a form may have.
        handler_cancellation: cancel a handler, in its middlewares, when the client leaves before it is answered.
        loop: not used; deprecated, as in aiohttp.
        debug: show tracebacks to clients. Given or not, an event loop in debug mode does the same.

    It is also a mapping, for the state that handlers share; use `AppKey` for keys. Routes and middlewares can be added
    until it starts; afterwards RuntimeError is raised.

    A server that speaks ASGI's lifespan protocol starts and stops the application. Without it the first request starts
    it, and ``async with app:`` does both explicitly.
    """

    def __init__(
        self,
        *,
        logger: logging.Logger = web_logger,
        router: UrlDispatcher | None = None,
        middlewares: Iterable[Middleware] = (),
        handler_args: Mapping[str, Any] | None = None,
        client_max_size: int = 1024**2,
        client_max_fields: int = 1000,
        handler_cancellation: bool = False,
        loop: asyncio.AbstractEventLoop | None = None,
        debug: Any = ...,
    ) -> None:
        if router is None:
            router = UrlDispatcher()
        else:
            warnings.warn("router argument is deprecated", DeprecationWarning, stacklevel=2)
            if not isinstance(router, UrlDispatcher):
                raise TypeError(f"router must be a UrlDispatcher, got {router!r}")
        if loop is not None:
            warnings.warn("loop argument is deprecated", DeprecationWarning, stacklevel=2)
        self._logger = logger
        self._router = router
        self._debug = debug
        # None, which aiohttp takes as well, is no limit either.
        self._client_max_size = client_max_size or 0
        self._client_max_fields = client_max_fields
        self._handler_cancellation = handler_cancellation
        self._handler_args = handler_args
        self._middlewares: FrozenList[Middleware] = FrozenList(middlewares)
        self._state: dict[str | AppKey[Any], Any] = {}
        self._subapps: list[Application] = []
        self._exception_handlers = ExceptionHandlers()
        self._background = BackgroundTasks(logger)
        self._websockets = OpenWebSockets()
        self._pre_frozen = False
        self._frozen = False

        self._on_response_prepare: Signal[Any] = Signal(self)
        self._on_startup: Signal[Any] = Signal(self)
        self._on_shutdown: Signal[Any] = Signal(self)
        self._on_cleanup: Signal[Any] = Signal(self)
        self._cleanup_ctx = CleanupContext()
        self._on_startup.append(self._cleanup_ctx.enter)
        self._on_cleanup.append(self._cleanup_ctx.leave)

        self._started = False
        self._shut_down = False
        self._closing = False
        self._startup_failure: Exception | None = None
        self._starting: asyncio.Lock | None = None
        self._early_shutdown = True
        #: Tells that the server stops, and what runs then.
        self._server_end: ServerEnd | None = None
        self._shutting_down: asyncio.Task[None] | None = None
        #: Answers an http scope: the first request's own way, then the responder's, or the ASGI middlewares'.
        self._http: ASGIApp = self._start_and_respond
        self._tells_exchanges = False
        #: Answers an http scope inside the ASGI middlewares.
        self._respond: ASGIApp = self._start_and_respond
        #: The ASGI middlewares, the outermost first, and the lifespan they have where it is not the server's.
        self._asgi_middlewares: tuple[ASGIApp, ...] = ()
        self._lifespan: Lifespan | None = None
        self._lifespan_failure: Exception | None = None
        #: The mounted applications, by identity.
        self._mounted: dict[int, MountedApp] = {}
        # Servers tell ASGI 3 from ASGI 2 and WSGI by asking whether `app.__call__` is a coroutine function. The one on
        # the class gives a coroutine without being one: it saves a frame for each request, and lets `app()` give the
        # application, as in aiohttp.
        self.__dict__["__call__"] = self._asgi

        router.post_init(self)

    # ASGI

    def __call__(self, scope: Scope | None = None, receive: Any = None, send: Any = None) -> Any:
        """Serve an ASGI scope (``http``, ``websocket`` or ``lifespan``); without arguments, the application itself."""
        if scope is None:
            return self._called_without_scope()
        if scope["type"] == "http":
            return self._http(scope, receive, send)
        if scope["type"] == "websocket" and self._http == self._respond != self._start_and_respond:
            # PERF: each frame between the server and a socket costs 45 ns for every message, and memory: 0.1 µs of 13.
            return serve_websocket(self._respond, scope, receive, send, opened=self._websockets)
        return self._asgi(scope, receive, send)

    def _called_without_scope(self) -> Application:
        # uvicorn tries `app()` to find out whether it was given a factory, and warns whoever started it when it gets
        # an answer.
        if sys._getframe(2).f_globals.get("__name__") == "uvicorn.config":  # noqa: SLF001
            raise TypeError("An Application is no factory: it is the ASGI application")
        return self

    async def _asgi(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, send)
            return
        if scope["type"] == "websocket":
            if self._http == self._start_and_respond:
                await self._start_once()
            elif self._http == self._look_and_respond:
                self._look_for_end(send)
        if self._asgi_middlewares:
            await self._call_middlewares(scope, receive, send)
        else:
            await self._serve(scope, receive, send)

    def _call_middlewares(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if self._lifespan is not None and self._lifespan.state and scope["type"] != "lifespan":
            # What a server does that has run the lifespan.
            scope["state"] = {**(scope.get("state") or {}), **self._lifespan.state}
        return self._asgi_middlewares[0](scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a scope inside the ASGI middlewares."""
        match scope["type"]:
            case "http":
                await self._respond(scope, receive, send)
            case "websocket":
                await serve_websocket(self._respond, scope, receive, send, opened=self._websockets)
            case "lifespan":
                is_inner = self._lifespan is not None or INNER in scope.get("extensions", ())
                start = self._start if is_inner else self._start_for_server
                await serve_lifespan(start, self._close, self._logger, receive, send)
            case other:
                raise ValueError(f"Unknown ASGI scope type {other!r}: http, websocket and lifespan are served")

    async def _start_and_respond(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._start_once()
        await self._http(scope, receive, send)

    async def _start_once(self) -> None:
        """Start the application where no lifespan did; the first request's part."""
        if self._starting is None:
            self._starting = asyncio.Lock()
        async with self._starting:
            if self._startup_failure is not None:
                raise RuntimeError("The application failed to start, see the first error") from self._startup_failure
            if not self._started:
                try:
                    await self.start()
                except Exception as exc:
                    self._startup_failure = exc
                    raise
            elif self._http == self._start_and_respond:
                # Somebody ran the parts of start() by hand.
                self.freeze()
                self._compile()

    def _compile(self) -> None:
        if any(getattr(each, "needs_exchange", False) for each in self._asgi_middlewares):
            self._tells_exchanges = True
        matcher: Matcher | None
        try:
            matcher = self._router.compile((self,), self.chain)
        except Irregular:
            matcher = None
        self._respond = HTTPResponder(self, matcher, is_debug=lambda: self.debug).respond
        self._serve_http()

    def _serve_http(self) -> None:
        """Let requests go their way from here on."""
        self._http = self._call_middlewares if self._asgi_middlewares else self._respond

    def chain(self, route: AbstractRoute | None, apps: tuple[Application, ...]) -> Handler:
        """The handler of ``route`` inside the middlewares of ``apps``; of a 404 or 405 for a route that is None."""
        handler = _raise_miss if route is None else cast(Handler, route.handler)
        chain = build_chain(handler, apps, () if route is None else route.middlewares)
        if route is not None and route.has_expect_handler:
            chain = _expecting(route, chain)
        own = None if route is None else route.handler_cancellation
        if any(app.handler_cancellation for app in apps) if own is None else own:
            chain = cancel_with_client(chain)
        return telling(chain) if self._tells_exchanges and apps[0] is self else chain

    def tell_exchanges(self) -> None:
        """Tell the `Exchange` of a scope what is made of it, from now on; access logs of the program's own ask for it.

        It can be called at any time. An ASGI middleware whose ``needs_exchange`` is true need not call it.
        """
        if not self._tells_exchanges:
            self._tells_exchanges = True
            if self._respond != self._start_and_respond:
                self._compile()

    # Life

    async def start(self) -> None:
        """Run startup and freeze, unless that was done; what servers and runners call.

        Raises what a receiver of ``on_startup`` raises, after leaving the contexts that were entered.
        """
        if self._started:
            return
        if self._asgi_middlewares:
            # They are given the lifespan that no server sends.
            self._lifespan = Lifespan(self._asgi_middlewares[0])
            await self._run_lifespan(self._lifespan.start)
        await self._start()

    async def _run_lifespan(self, part: Callable[[], Awaitable[None]]) -> None:
        self._lifespan_failure = None
        try:
            await part()
        except LifespanError:
            if self._lifespan_failure is not None:
                raise self._lifespan_failure from None
            raise

    async def _start(self) -> None:
        """Start inside the ASGI middlewares."""
        if self._started:
            return
        self._on_startup.freeze()
        try:
            await self.startup()
            self.freeze()
            self._compile()
        except BaseException as exc:
            self._started = False
            self._lifespan_failure = exc if isinstance(exc, Exception) else None
            await self.leave_contexts()
            raise

    async def _start_for_server(self) -> None:
        """Start for a server that has sent ``lifespan.startup``, and hear of its end."""
        await self._start()
        if self._early_shutdown:
            self._server_end = ServerEnd(self._begin_shutdown)
            if not self._server_end.listen_to_signals():
                self._http = self._look_and_respond

    async def _look_and_respond(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._look_for_end(send)
        await self._http(scope, receive, send)

    def _look_for_end(self, send: Send) -> None:
        """Find in the first request what will tell of the server's end."""
        self._serve_http()
        if self._server_end is not None:
            self._server_end.listen_to_context(send)

    def _begin_shutdown(self) -> None:
        if self._started and not self._shut_down and not self._closing:
            self._shutting_down = asyncio.get_running_loop().create_task(self.shutdown())
            self._shutting_down.add_done_callback(self._report_early_failure)

    def _report_early_failure(self, shutdown: asyncio.Task[None]) -> None:
        # `_close` raises it too, but the server may wait for long before that for what on_shutdown was to end.
        if not self._closing and not shutdown.cancelled() and (exc := shutdown.exception()) is not None:
            self._logger.error("on_shutdown failed while the server waits for its connections", exc_info=exc)

    async def leave_contexts(self) -> None:
        """Leave the contexts that a startup entered before it failed, here and in the sub-applications."""
        try:
            await self._cleanup_ctx.leave(self)
        except Exception:
            self._logger.exception("Cleanup after a failed startup failed")
        for subapp in self._subapps:
            await subapp.leave_contexts()

    async def close(self) -> None:
        """Run shutdown, where nobody has yet, and cleanup; what servers and runners call.

        Does nothing for an application that was not started, or was closed. A closed one can be started again.
        """
        if not self._started or self._closing:
            return
        lifespan, self._lifespan = self._lifespan, None
        if lifespan is not None:
            await self._run_lifespan(lifespan.stop)
        await self._close()

    async def _close(self) -> None:
        """Close inside the ASGI middlewares."""
        if not self._started or self._closing:
            return
        self._closing = True
        server_end, self._server_end = self._server_end, None
        if server_end is not None:
            server_end.stop()
        early, self._shutting_down = self._shutting_down, None
        try:
            if early is not None:
                await early
            elif not self._shut_down:
                await self.shutdown()
        except Exception as exc:
            self._lifespan_failure = exc
            raise
        finally:
            try:
                await self.cleanup()
            except Exception as exc:
                self._lifespan_failure = exc
                raise
            finally:
                self._started = self._shut_down = self._closing = False
                self._websockets.reopen()
                self._http = self._respond = self._start_and_respond
                # The next start may be in another event loop.
                self._starting = None

    async def __aenter__(self) -> Application:
        await self.start()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def startup(self) -> None:
        """Send ``on_startup``. RuntimeError before the signals are frozen."""
        await self._on_startup.send(self)
        self._started = True

    async def shutdown(self) -> None:
        """Send ``on_shutdown``, while connections are still open, and close the WebSockets that it left open."""
        self._shut_down = True
        try:
            await self._on_shutdown.send(self)
        finally:
            await self._websockets.close()

    def run_in_background(self, calls: Iterable[Callable[[], Any]]) -> None:
        """Run what `Request.add_background_task` collected; called when the request was answered."""
        self._background.start(calls)

    async def finish_background(self, timeout: float) -> None:
        """Wait for background tasks, and cancel those that still run after ``timeout`` seconds."""
        await self._background.wait(timeout)

    async def cleanup(self) -> None:
        """Wait for background tasks and send ``on_cleanup``.

        Where startup never came to freezing, leave the contexts that were entered.
        """
        await self.finish_background(_BACKGROUND_TIMEOUT)
        if self._on_cleanup.frozen:
            await self._on_cleanup.send(self)
        else:
            await self._cleanup_ctx.leave(self)

    @property
    def stopping(self) -> bool:
        """Whether shutdown was begun, and cleanup has not come to its end."""
        return self._shut_down

    @property
    def started(self) -> bool:
        """Whether startup was run, and cleanup was not yet."""
        return self._started

    @property
    def pre_frozen(self) -> bool:
        """Whether routes, middlewares and signals refuse changes."""
        return self._pre_frozen

    def pre_freeze(self) -> None:
        """Make routes, middlewares and signals refuse changes, here and in the sub-applications."""
        if self._pre_frozen:
            return
        self._pre_frozen = True
        self._middlewares.freeze()
        self._router.freeze()
        for signal in (self._on_response_prepare, self._on_startup, self._on_shutdown, self._on_cleanup):
            signal.freeze()
        self._cleanup_ctx.freeze()
        for subapp in self._subapps:
            subapp.pre_freeze()

    @property
    def frozen(self) -> bool:
        """Whether the application was frozen, its state included."""
        return self._frozen

    def freeze(self) -> None:
        """Freeze the application and its sub-applications."""
        if self._frozen:
            return
        self.pre_freeze()
        self._frozen = True
        for subapp in self._subapps:
            subapp.freeze()

    # Parts

    @property
    def logger(self) -> logging.Logger:
        """Where errors are logged."""
        return self._logger

    @property
    def router(self) -> UrlDispatcher:
        """The routing table."""
        return self._router

    @property
    def middlewares(self) -> FrozenList[Middleware]:
        """The middlewares, the outermost first."""
        return self._middlewares

    @property
    def client_max_size(self) -> int:
        """The most bytes of body that ``request.read()`` and its companions take; 0 for any number."""
        return self._client_max_size

    @property
    def client_max_fields(self) -> int:
        """The most fields a form may have."""
        return self._client_max_fields

    @property
    def handler_cancellation(self) -> bool:
        """Whether a handler is cancelled when its client leaves, where its route does not say otherwise.

        It may be set until the application starts, then it is a RuntimeError. Handlers of a sub-application are
        cancelled where it or an application around it says so.
        """
        return self._handler_cancellation

    @handler_cancellation.setter
    def handler_cancellation(self, value: bool) -> None:
        value = bool(value)
        if value != self._handler_cancellation and (self._started or self._frozen):
            raise RuntimeError("Cannot change handler_cancellation of an application that has started")
        self._handler_cancellation = value

    @property
    def early_shutdown(self) -> bool:
        """Whether ``on_shutdown`` runs when a server's command begins to stop, where that can be heard; default True.

        Otherwise it runs when ``lifespan.shutdown`` arrives: servers send that after their wait for open connections.
        To hear of it the application calls the server's handlers of SIGTERM and SIGINT from handlers of its own, from
        ``lifespan.startup`` to ``lifespan.shutdown``; False leaves signals alone. `run_app` and the runners need none
        of it. RuntimeError when it is set in an application that has started.
        """
        return self._early_shutdown

    @early_shutdown.setter
    def early_shutdown(self, value: bool) -> None:
        if self._started:
            raise RuntimeError("Cannot change early_shutdown of an application that has started")
        self._early_shutdown = value

    @property
    def handler_args(self) -> Mapping[str, Any] | None:
        """The options given for aiohttp's own server."""
        return self._handler_args

    @property
    def debug(self) -> bool:
        """Whether clients are shown what a handler raised, with its traceback: never set it where strangers ask.

        Can be set at any time, also of an application that serves; until then it is what was given to the application,
        else whether its event loop is in debug mode. Sub-applications go by the application that serves them.
        """
        if self._debug is not ...:
            return bool(self._debug)
        try:
            return asyncio.get_running_loop().get_debug()
        except RuntimeError:
            return False

    @debug.setter
    def debug(self, value: bool) -> None:
        self._debug = bool(value)

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The running event loop; deprecated, as in aiohttp."""
        warnings.warn("loop property is deprecated", DeprecationWarning, stacklevel=2)
        return asyncio.get_running_loop()

    @property
    def on_response_prepare(self) -> Signal[Any]:
        """Receivers called with the request and the response before headers are sent."""
        return self._on_response_prepare

    @property
    def on_startup(self) -> Signal[Any]:
        """Receivers called with the application before it serves."""
        return self._on_startup

    @property
    def on_shutdown(self) -> Signal[Any]:
        """Receivers called when serving ends, before open connections are waited for."""
        return self._on_shutdown

    @property
    def on_cleanup(self) -> Signal[Any]:
        """Receivers called at the very end."""
        return self._on_cleanup

    @property
    def cleanup_ctx(self) -> CleanupContext:
        """Generators whose first half runs at startup and whose second half at cleanup."""
        return self._cleanup_ctx

    def add_exception_handler(self, key: type[Exception] | int, handler: ExceptionHandler) -> None:
        """Answer an exception that no handler or middleware has caught by ``await handler(request, exc)``.

        ``key`` is a class of exceptions, or the status of an HTTP exception. The handler for the status comes first,
        then the one for the nearest class; those of a sub-application before those of the applications around it.
        What is registered for `Exception` or 500 answers whatever nothing else is registered for: such an exception is
        logged as ever, and shown instead where the application is in debug mode.

        Middlewares see the exception, not the answer; receivers of ``on_response_prepare`` see the answer. An exception
        that comes after the response began is not answered.

        Raises TypeError and ValueError as `ExceptionHandlers.add`, RuntimeError for an application that has started.
        """
        if self._pre_frozen:
            raise RuntimeError("Cannot add an exception handler to an application that has started")
        self._exception_handlers.add(key, handler)

    @property
    def exception_handlers(self) -> ExceptionHandlers:
        """What `add_exception_handler` has registered."""
        return self._exception_handlers

    # Routes

    def add_routes(self, routes: Iterable[AbstractRouteDef]) -> list[AbstractRoute]:
        """Register route definitions: a `RouteTableDef`, or a list of ``web.get(...)`` and its companions."""
        return self._router.add_routes(routes)

    def add_subapp(self, prefix: str, subapp: Application) -> PrefixedSubAppResource:
        """Serve another application below ``prefix``, with its own middlewares, state and signals.

        ``subapp`` refuses new routes from then on. ValueError for an empty prefix, RuntimeError when either
        application is frozen.
        """
        if not isinstance(prefix, str):
            raise TypeError(f"Prefix must be str, got {prefix!r}")
        prefix = prefix.rstrip("/")
        if prefix in ("", "/"):
            raise ValueError("Prefix cannot be empty")
        self._check_subapp(subapp)
        resource = PrefixedSubAppResource(prefix, subapp)
        self._router.register_resource(resource)
        self._adopt(subapp)
        return resource

    def add_domain(self, domain: str, subapp: Application) -> MatchedSubAppResource:
        """Serve another application for requests to ``domain``, in which ``*`` stands for any text.

        The routes of this application come first. Raises as `Domain` does, and RuntimeError as `add_subapp`.
        """
        if not isinstance(domain, str):
            raise TypeError("Domain must be str")
        rule = MaskDomain(domain) if "*" in domain else Domain(domain)
        self._check_subapp(subapp)
        resource = MatchedSubAppResource(rule, subapp)
        self._router.register_resource(resource)
        self._adopt(subapp)
        return resource

    def mount(self, prefix: str, app: ForeignASGIApp, *, name: str | None = None) -> MountResource:
        """Serve another ASGI application, of any framework, at and below ``prefix``.

        It answers all that comes there, HTTP and WebSockets, its own 404 included, inside the middlewares of this
        application: what they raise before they call their handler never reaches it, what it answers has been sent
        when they see it. It finds its prefix in the scope's ``root_path``. Its lifespan runs as one of the contexts of
        `cleanup_ctx`, in the order of registration; an application without one is served all the same.

        Args:
            prefix: where the application is; ``/`` for all that no other route answers.
            app: the ASGI application.
            name: for ``app.router[name].url_for(path="/…")``.

        Raises TypeError for what cannot be called, ValueError for a prefix with dynamic parts, RuntimeError when this
        application was started or frozen. An application whose startup fails makes this one's fail.
        """
        if not callable(app):
            raise TypeError(f"An ASGI application can be called with scope, receive and send, got {app!r}")
        if app is self:
            raise ValueError("An application cannot be mounted in itself")
        if self._on_startup.frozen:
            raise RuntimeError("Cannot mount an application in one that was started: its lifespan would not run")
        known = self._mounted.get(id(app))
        life = _Life(app)
        mounted = known or MountedApp(app, life.state)
        resource = MountResource(prefix, app, mounted.answer, name=name)
        self._router.register_resource(resource)
        if known is None:
            self._mounted[id(app)] = mounted
            self._cleanup_ctx.append(life.context(resource))
            if isinstance(app, Application):
                self._on_shutdown.append(life.shut_down)
        return resource

    def add_asgi_middleware(
        self, factory: Callable[Concatenate[Any, _P], ForeignASGIApp], *args: _P.args, **kwargs: _P.kwargs
    ) -> None:
        """Put an ASGI middleware around the whole application: its requests, its WebSockets and its lifespan.

        ``factory(app, *args, **kwargs)`` is called at once and gives the middleware. The one that was added last is
        the outermost, as in Starlette. `middlewares`, which know requests and responses, are inside all of them.

        Raises TypeError where the factory gives nothing that can be called, RuntimeError when the application was
        started or frozen.
        """
        if self._pre_frozen or self._on_startup.frozen:
            raise RuntimeError("Cannot add an ASGI middleware to an application that was frozen or started")
        inner = self._asgi_middlewares[0] if self._asgi_middlewares else _Inside(self, self._serve)
        made = factory(inner, *args, **kwargs)
        if not callable(made):
            raise TypeError(f"{factory!r} is no ASGI middleware: calling it with an application gave {made!r}")
        self._asgi_middlewares = (made, *self._asgi_middlewares)

    @property
    def asgi_middlewares(self) -> tuple[ASGIApp, ...]:
        """What `add_asgi_middleware` has put around the application, the outermost first."""
        return self._asgi_middlewares

    def _check_subapp(self, subapp: Application) -> None:
        if not isinstance(subapp, Application):
            raise TypeError(f"A sub-application must be a web.Application, got {subapp!r}")
        if subapp.asgi_middlewares:
            raise RuntimeError(
                "A sub-application answers requests inside this application, not ASGI scopes: mount() it for the sake "
                "of its ASGI middlewares, or add them to this application"
            )
        if self.frozen:
            raise RuntimeError("Cannot add sub application to frozen application")
        if subapp.frozen:
            raise RuntimeError("Cannot add frozen application")
        if subapp is self:
            raise ValueError("An application cannot be its own sub-application")

    def _adopt(self, subapp: Application) -> None:
        for signal, sub_signal in (
            (self._on_startup, subapp.on_startup),
            (self._on_shutdown, subapp.on_shutdown),
            (self._on_cleanup, subapp.on_cleanup),
        ):
            signal.append(_forward(sub_signal, subapp))
        self._subapps.append(subapp)
        subapp.pre_freeze()

    # State

    def _check_frozen(self) -> None:
        if self._frozen:
            warnings.warn(
                "Changing state of started or joined application is deprecated", DeprecationWarning, stacklevel=3
            )

    @overload
    def __getitem__(self, key: AppKey[_T]) -> _T: ...

    @overload
    def __getitem__(self, key: str) -> Any: ...

    def __getitem__(self, key: str | AppKey[_T]) -> Any:
        return self._state[key]

    @overload
    def __setitem__(self, key: AppKey[_T], value: _T) -> None: ...

    @overload
    def __setitem__(self, key: str, value: Any) -> None: ...

    def __setitem__(self, key: str | AppKey[_T], value: Any) -> None:
        self._check_frozen()
        if not isinstance(key, AppKey):
            warnings.warn(
                "It is recommended to use web.AppKey instances for keys.", category=NotAppKeyWarning, stacklevel=2
            )
        self._state[key] = value

    def __delitem__(self, key: str | AppKey[Any]) -> None:
        self._check_frozen()
        del self._state[key]

    def __len__(self) -> int:
        return len(self._state)

    def __iter__(self) -> Iterator[str | AppKey[Any]]:
        return iter(self._state)

    @overload  # type: ignore[override]
    def get(self, key: AppKey[_T], default: None = ...) -> _T | None: ...

    @overload
    def get(self, key: AppKey[_T], default: _U) -> _T | _U: ...

    @overload
    def get(self, key: str, default: Any = ...) -> Any: ...

    def get(self, key: str | AppKey[_T], default: Any = None) -> Any:
        """The value of ``key``, ``default`` where there is none."""
        return self._state.get(key, default)

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return object.__hash__(self)

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return f"<Application 0x{id(self):x}>"


class _Inside:
    """What the innermost ASGI middleware calls.

    An object whose ``__call__`` is a coroutine function: that is how middlewares tell ASGI 3, and not all of them
    understand a bound method.
    """

    def __init__(self, app: Application, serve: ASGIApp) -> None:
        self._app = app
        self._serve = serve

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._serve(scope, receive, send)

    def __repr__(self) -> str:
        return repr(self._app)


class _Life:
    """The lifespan of a mounted application, as a context of the application around it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._lifespan = Lifespan(app)
        self.state = self._lifespan.state

    def context(self, resource: MountResource) -> Callable[[Application], AsyncIterator[None]]:
        app = self._app

        async def run(_: Application) -> AsyncIterator[None]:
            name = f"{app!r}, mounted at {resource.canonical or '/'},"
            if isinstance(app, Application):
                # Not by messages, which would leave nothing but the last line of what it raises.
                try:
                    await app.start()
                except Exception as exc:
                    raise RuntimeError(f"{name} failed to start: {exc!r}") from exc
                yield
                await app.close()
            else:
                await self._lifespan.start(name)
                yield
                await self._lifespan.stop()

        return run

    async def shut_down(self, _: Application) -> None:
        """Let a mounted `Application` close its streams and WebSockets while connections are still open."""
        if isinstance(self._app, Application) and self._app.started:
            await self._app.shutdown()


def _forward(signal: Signal[Any], subapp: Application) -> Callable[[Application], Awaitable[None]]:
    async def send(app: Application) -> None:
        await signal.send(subapp)

    return send


async def _raise_miss(request: Request) -> StreamResponse:
    raise request.match_info.http_exception or HTTPNotFound()


def _expecting(route: AbstractRoute, chain: Handler) -> Handler:
    async def answer(request: Request) -> StreamResponse:
        if request.headers.get(hdrs.EXPECT):
            response = await route.handle_expect_header(request)
            if response is not None:
                return response
        return await chain(request)

    return update_wrapper(answer, chain)

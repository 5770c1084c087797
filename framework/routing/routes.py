"""A route: a handler for one method of a resource."""

from __future__ import annotations

import abc
import functools
import inspect
import re
import sys
import warnings
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any, cast

from yarl import URL

from framework import hdrs
from framework.routing.views import AbstractView
from framework.typedefs import Handler, Middleware

# asyncio's is deprecated from Python 3.14 on; before 3.12, it alone knows callables that are marked as coroutines.
if sys.version_info >= (3, 12):
    from inspect import iscoroutinefunction
else:
    from asyncio import iscoroutinefunction

if TYPE_CHECKING:
    from framework.exceptions import HTTPException
    from framework.requests import Request
    from framework.responses import StreamResponse
    from framework.routing.resources import AbstractResource

__all__ = ("AbstractRoute", "ExpectHandler", "ResourceRoute", "SystemRoute")

ExpectHandler = Callable[["Request"], Awaitable["StreamResponse | None"]]

# RFC 9110, section 5.6.2: a method is a token.
_METHOD = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


async def _default_expect_handler(request: Request) -> None:
    """Let the server send ``100 Continue``: ASGI servers do when the body is first read."""


class AbstractRoute(abc.ABC):
    """A handler for one method.

    ``method`` is upper-cased and must be a token (RFC 9110, section 9.1), else ValueError. A plain function that
    returns an awaitable is accepted with a DeprecationWarning, anything that cannot be called is a TypeError.
    """

    def __init__(
        self,
        method: str,
        handler: Handler | type[AbstractView],
        *,
        expect_handler: ExpectHandler | None = None,
        resource: AbstractResource | None = None,
        client_max_size: int | None = None,
        handler_cancellation: bool | None = None,
        middlewares: Iterable[Middleware] = (),
    ) -> None:
        method = method.upper()
        if method != hdrs.METH_ANY and not _METHOD.fullmatch(method):
            raise ValueError(f"{method} is not allowed HTTP method")
        if expect_handler is None:
            expect_handler = _default_expect_handler
        if not _is_coroutine_function(expect_handler):
            raise TypeError(f"Coroutine is expected, got {expect_handler!r}: write expect_handler as async def")
        if not callable(handler):
            raise TypeError(f"A handler must be an async function or a View, got {handler!r}")
        self._method = method
        self._handler = _as_handler(handler)
        self._expect_handler = expect_handler
        self._resource = resource
        self._client_max_size = client_max_size
        self._handler_cancellation = handler_cancellation
        self._middlewares = _as_middlewares(middlewares)

    @property
    def method(self) -> str:
        """The method in upper case, or ``"*"`` for any."""
        return self._method

    @property
    def handler(self) -> Handler | type[AbstractView]:
        """What answers: an async function, or a `View` class."""
        return self._handler

    @property
    @abc.abstractmethod
    def name(self) -> str | None:
        """The name of the route's resource."""

    @property
    def resource(self) -> AbstractResource | None:
        """The resource the route belongs to; None for 404 and 405."""
        return self._resource

    @property
    def path(self) -> str | None:
        """The template of the route's resource, which observers read as ``scope["route"].path``."""
        return None if self._resource is None else self._resource.canonical

    @property
    def path_format(self) -> str | None:
        """As `path`, under the name that FastAPI's routes have and OpenTelemetry reads."""
        return self.path

    @property
    def client_max_size(self) -> int | None:
        """The route's own limit of `Request.client_max_size`, in bytes; None for the application's."""
        return self._client_max_size

    @property
    def handler_cancellation(self) -> bool | None:
        """Whether the handler is cancelled when its client leaves; None for what the application says."""
        return self._handler_cancellation

    @property
    def middlewares(self) -> tuple[Middleware, ...]:
        """The route's own middlewares, the outermost first, inside those of its application."""
        return self._middlewares

    @property
    def expect_handler(self) -> ExpectHandler:
        """What is awaited before the handler when the client sent ``Expect: 100-continue``."""
        return self._expect_handler

    @property
    def has_expect_handler(self) -> bool:
        """Whether the route was given an ``expect_handler`` of its own."""
        return self._expect_handler is not _default_expect_handler

    @abc.abstractmethod
    def get_info(self) -> dict[str, Any]:
        """What is known of the route's path: keys as `AbstractResource.get_info`."""

    @abc.abstractmethod
    def url_for(self, *args: str, **kwargs: str) -> URL:
        """The URL of the route."""

    async def handle_expect_header(self, request: Request) -> StreamResponse | None:
        """Answer ``Expect: 100-continue``; a returned response is sent instead of calling the handler."""
        return await self._expect_handler(request)


class ResourceRoute(AbstractRoute):
    """A route of a resource."""

    def __init__(
        self,
        method: str,
        handler: Handler | type[AbstractView],
        resource: AbstractResource,
        *,
        expect_handler: ExpectHandler | None = None,
        client_max_size: int | None = None,
        handler_cancellation: bool | None = None,
        middlewares: Iterable[Middleware] = (),
    ) -> None:
        super().__init__(
            method,
            handler,
            expect_handler=expect_handler,
            resource=resource,
            client_max_size=client_max_size,
            handler_cancellation=handler_cancellation,
            middlewares=middlewares,
        )

    def __repr__(self) -> str:
        return f"<ResourceRoute [{self.method}] {self._resource} -> {self.handler!r}"

    @property
    def name(self) -> str | None:
        return None if self._resource is None else self._resource.name

    def url_for(self, *args: str, **kwargs: str) -> URL:
        """The URL of the route's resource, see its ``url_for``."""
        return cast("AbstractResource", self._resource).url_for(*args, **kwargs)

    def get_info(self) -> dict[str, Any]:
        return cast("AbstractResource", self._resource).get_info()


class SystemRoute(AbstractRoute):
    """The route of a request that no registered route matches: its handler raises the 404 or the 405."""

    def __init__(self, http_exception: HTTPException) -> None:
        super().__init__(hdrs.METH_ANY, self._raise)
        self._http_exception = http_exception

    def __repr__(self) -> str:
        return f"<SystemRoute {self.status}: {self.reason}>"

    @property
    def name(self) -> str | None:
        return None

    @property
    def status(self) -> int:
        """The status of the exception that the handler raises."""
        return self._http_exception.status

    @property
    def reason(self) -> str:
        """The reason of the exception that the handler raises."""
        return self._http_exception.reason

    def url_for(self, *args: str, **kwargs: str) -> URL:
        raise RuntimeError(".url_for() is not allowed for SystemRoute")

    def get_info(self) -> dict[str, Any]:
        return {"http_exception": self._http_exception}

    async def _raise(self, request: Request) -> StreamResponse:
        raise self._http_exception


def _as_middlewares(middlewares: Iterable[Middleware]) -> tuple[Middleware, ...]:
    if callable(middlewares) or not isinstance(middlewares, Iterable):
        raise TypeError(f"middlewares is a list of middlewares, got {middlewares!r}")
    given = tuple(middlewares)
    for each in given:
        if not callable(each):
            raise TypeError(f"A middleware is an `async def f(request, handler)`, got {each!r}")
    return given


def _is_coroutine_function(function: object) -> bool:
    while isinstance(function, functools.partial):
        function = function.func
    return iscoroutinefunction(function) or iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004


def _as_handler(handler: Handler | type[AbstractView]) -> Handler | type[AbstractView]:
    if isinstance(handler, type):
        if issubclass(handler, AbstractView):
            return handler
    elif _is_coroutine_function(handler) or inspect.isgeneratorfunction(handler):
        return handler
    warnings.warn(f"Bare functions are deprecated, use async ones: {handler!r}", DeprecationWarning, stacklevel=6)
    plain: Callable[[Request], Any] = handler

    async def call(request: Request) -> StreamResponse:
        result = plain(request)
        if inspect.isawaitable(result):
            result = await result
        return result  # type: ignore[no-any-return]

    functools.update_wrapper(call, plain)
    return call

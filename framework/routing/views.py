"""Class-based views: a class whose methods are named after HTTP methods."""

from __future__ import annotations

import abc
from collections.abc import Awaitable, Callable, Generator
from typing import TYPE_CHECKING, Any, NoReturn

from framework import hdrs
from framework.exceptions import HTTPMethodNotAllowed

if TYPE_CHECKING:
    from framework.requests import Request
    from framework.responses import StreamResponse

__all__ = ("AbstractView", "View")


class AbstractView(abc.ABC):
    """A handler that is a class: instantiated with the request, then awaited for the response."""

    def __init__(self, request: Request) -> None:
        self._request = request

    @property
    def request(self) -> Request:
        """The request that the view answers."""
        return self._request

    @abc.abstractmethod
    def __await__(self) -> Generator[Any, None, StreamResponse]:
        """Run the view and give its response."""


class View(AbstractView):
    """Answers each method by the coroutine of that name in lower case: ``async def get(self)``.

    A method the class does not have is a 405 whose ``Allow`` lists those it has. Only HTTP methods are reached, never
    a helper that happens to bear a name the client sent. HEAD runs what the class defines as ``head`` and nothing
    else, as in aiohttp.
    """

    async def _iter(self) -> StreamResponse:
        method = self.request.method
        if method not in hdrs.METH_ALL:
            self._raise_allowed_methods()
        handler: Callable[[], Awaitable[StreamResponse]] | None = getattr(self, method.lower(), None)
        if handler is None:
            return self._raise_allowed_methods()
        response: StreamResponse = await handler()
        return response

    def __await__(self) -> Generator[Any, None, StreamResponse]:
        return self._iter().__await__()

    def _raise_allowed_methods(self) -> NoReturn:
        allowed = {method for method in hdrs.METH_ALL if hasattr(self, method.lower())}
        raise HTTPMethodNotAllowed(self.request.method, allowed)

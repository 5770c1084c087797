"""The map of exception handlers: which function makes the answer to an exception that nobody has caught."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from framework.exceptions import HTTPException

if TYPE_CHECKING:
    from framework.requests import Request
    from framework.responses import StreamResponse

__all__ = ("ExceptionHandler", "ExceptionHandlers")

ExceptionHandler = Callable[["Request", Any], Awaitable["StreamResponse"]]


class ExceptionHandlers:
    """What one application has registered, by class and by status."""

    def __init__(self) -> None:
        self._by_class: dict[type[Exception], ExceptionHandler] = {}
        self._by_status: dict[int, ExceptionHandler] = {}

    def __bool__(self) -> bool:
        return bool(self._by_class or self._by_status)

    def add(self, key: type[Exception] | int, handler: ExceptionHandler) -> None:
        """Register ``handler`` for a class of exceptions, or a status of 400 to 599, in place of an earlier one.

        Raises TypeError for another key and for a handler that is no ``async def f(request, exc)``, ValueError for
        another status.
        """
        if not inspect.iscoroutinefunction(handler) and not inspect.iscoroutinefunction(
            getattr(handler, "__call__", None)  # noqa: B004 - whether it is a coroutine function
        ):
            raise TypeError(f"An exception handler is an `async def f(request, exc)`, got {handler!r}")
        if isinstance(key, type) and issubclass(key, Exception):
            self._by_class[key] = handler
        elif isinstance(key, int):
            if not 400 <= key <= 599:
                raise ValueError(f"Only statuses of errors, 400 to 599, have exception handlers: {key}")
            self._by_status[int(key)] = handler
        else:
            raise TypeError(f"An exception handler is for a class of exceptions or a status, not for {key!r}")

    def find(self, exc: Exception) -> ExceptionHandler | None:
        """The handler for ``exc``: for its status if it is an HTTP exception, else for the nearest of its classes.

        `Exception` itself is not among them: see `find_for_failure`.
        """
        if isinstance(exc, HTTPException) and exc.status in self._by_status:
            return self._by_status[exc.status]
        for each in type(exc).__mro__:
            if each in self._by_class and each is not Exception:
                return self._by_class[each]
        return None

    def find_for_failure(self, status: int) -> ExceptionHandler | None:
        """The handler for an exception that nothing else is registered for: for its status (500), or `Exception`."""
        return self._by_status.get(status) or self._by_class.get(Exception)

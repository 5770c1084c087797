"""``app.cleanup_ctx``: what starts with the application and ends with it, written as one generator."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any

from framework.signals import FrozenList

if TYPE_CHECKING:
    from framework.applications import Application

__all__ = ("CleanupContext", "CleanupError")


class CleanupError(RuntimeError):
    """More than one cleanup failed; `exceptions` has what each of them raised."""

    @property
    def exceptions(self) -> list[BaseException]:
        """What the cleanups raised, in the order in which they ran."""
        exceptions: list[BaseException] = self.args[1]
        return exceptions


ContextFactory = Callable[["Application"], AsyncIterator[None] | AbstractAsyncContextManager[Any]]


class CleanupContext(FrozenList[ContextFactory]):
    """The contexts of an application: entered in order at startup, left in reverse order at cleanup.

    A context is an asynchronous generator function with one ``yield``, or a function that gives an asynchronous
    context manager. Only those that were entered are left. Can be used as a decorator.
    """

    def __init__(self) -> None:
        super().__init__()
        self._entered: list[AbstractAsyncContextManager[Any]] = []

    def __call__(self, factory: ContextFactory) -> ContextFactory:
        self.append(factory)
        return factory

    async def enter(self, app: Application) -> None:
        """Enter the contexts; the receiver of ``on_startup``."""
        for factory in self:
            context = factory(app)
            if not isinstance(context, AbstractAsyncContextManager):
                context = asynccontextmanager(lambda it: it)(context)
            await context.__aenter__()
            self._entered.append(context)

    async def leave(self, app: Application) -> None:
        """Leave the contexts that were entered; the receiver of ``on_cleanup``.

        All of them are left whatever some of them raise. One exception is raised as it is, several as `CleanupError`.
        """
        errors: list[BaseException] = []
        while self._entered:
            context = self._entered.pop()
            try:
                await context.__aexit__(None, None, None)
            except Exception as exc:
                errors.append(exc)
        if len(errors) == 1:
            raise errors[0]
        if errors:
            raise CleanupError("Multiple errors on cleanup stage", errors)

"""What the fixtures of the pytest plugin give: factories whose products are closed after the test."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from types import TracebackType
from typing import Any, Generic, Protocol, TypeVar

from framework.testing.clients import Client, client
from framework.testing.servers import LiveServer, server
from framework.typedefs import ASGIApp

__all__ = ("ClientFactory", "Opener", "Opening", "ServerFactory")

_T = TypeVar("_T")


class Opening(Generic[_T]):
    """Something to be opened: ``await`` it to have it closed after the test, or use ``async with``."""

    def __init__(self, context: AbstractAsyncContextManager[_T], opener: Opener) -> None:
        self._context = context
        self._opener = opener

    def __await__(self) -> Generator[Any, Any, _T]:
        return self._opener.enter(self._context).__await__()

    async def __aenter__(self) -> _T:
        return await self._context.__aenter__()

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        return await self._context.__aexit__(exc_type, exc, traceback)


class ClientFactory(Protocol):
    """The type of the fixture ``asgi_client``."""

    def __call__(self, app: ASGIApp, **options: Any) -> Opening[Client]:
        """A client of ``app``, with the options of `framework.testing.client`."""
        ...


class ServerFactory(Protocol):
    """The type of the fixture ``asgi_server``."""

    def __call__(self, app: ASGIApp, **options: Any) -> Opening[LiveServer]:
        """A server of ``app``, with the options of `framework.testing.server`."""
        ...


class _Node(Protocol):
    def addfinalizer(self, fin: Callable[[], object]) -> None: ...


class Opener:
    """Opens what one test asks for, and closes it after the test in the loop it was opened in.

    Args:
        node: the test, pytest's item.
        stack: what closes by itself in the right loop; None where nobody but us does.
    """

    def __init__(self, node: _Node, stack: AsyncExitStack | None) -> None:
        self._node = node
        self._stack = stack
        self._opened: list[tuple[asyncio.AbstractEventLoop, AsyncExitStack]] = []

    def client(self, app: ASGIApp, **options: Any) -> Opening[Client]:
        """The fixture ``asgi_client``."""
        return Opening(client(app, **options), self)

    def server(self, app: ASGIApp, **options: Any) -> Opening[LiveServer]:
        """The fixture ``asgi_server``."""
        return Opening(server(app, **options), self)

    async def enter(self, context: AbstractAsyncContextManager[_T]) -> _T:
        """Open something, to be closed after the test."""
        if self._stack is not None:
            return await self._stack.enter_async_context(context)
        stack = AsyncExitStack()
        result = await stack.enter_async_context(context)
        self._opened.append((asyncio.get_running_loop(), stack))
        # Now, when the loop's own fixture is set up already: what is added last is finalized first.
        self._node.addfinalizer(self._close)
        return result

    def _close(self) -> None:
        loop, stack = self._opened[-1]
        if not loop.is_closed():
            self._opened.pop()
            loop.run_until_complete(stack.aclose())

    def check_closed(self) -> None:
        """RuntimeError for what was opened in a loop that was closed before the test had ended."""
        if self._opened:
            raise RuntimeError(
                "The test's event loop was closed before its asgi_client or asgi_server: in a loop of your own, such "
                "as asyncio.run()'s, use `async with asgi_client(app) as client:`"
            )

"""The two questions most contract tests ask: what does the client receive, and what does a handler see."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from tests.contract.backends import Backend


async def ask(
    backend: Backend, handler: Callable[[Any], Awaitable[Any]], method: str = "GET", path: str = "/", **options: Any
) -> httpx.Response:
    """The response of an application whose only handler takes every path and method; `options` are httpx's."""
    app = backend.web.Application()
    app.router.add_route("*", "/{tail:.*}", handler)
    async with backend.client(app) as client:
        return await client.request(method, path, **options)


async def observe(
    backend: Backend, look: Callable[[Any], Any], method: str = "GET", path: str = "/", **options: Any
) -> Any:
    """What `look(request)` returns or awaits to inside a handler; its exception is raised here."""
    results: list[Any] = []
    errors: list[BaseException] = []

    async def handler(request: Any) -> Any:
        try:
            result = look(request)
            results.append(await result if inspect.isawaitable(result) else result)
        except (Exception, pytest.fail.Exception) as exc:
            errors.append(exc)
        return backend.web.Response()

    await ask(backend, handler, method, path, **options)
    for error in errors:
        raise error
    (result,) = results
    return result

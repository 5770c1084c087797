"""The two packages under contract, for tests that need no server.

A test file takes the fixture by naming it: `web = modules.web`.
"""

from __future__ import annotations

import importlib
from typing import Any

import pytest

PACKAGES = ("aiohttp", "framework")


@pytest.fixture(params=PACKAGES)
def web(request: pytest.FixtureRequest) -> Any:
    """`aiohttp.web` and `framework.web` in turn."""
    return importlib.import_module(f"{request.param}.web")


def mocked_request(web: Any, method: str, path: str, **options: Any) -> Any:
    """A request of `web`'s package that no server has received."""
    package = web.__name__.partition(".")[0]
    return importlib.import_module(f"{package}.test_utils").make_mocked_request(method, path, **options)


async def resolve(app: Any, web: Any, method: str, path: str) -> Any:
    """The match info of `app`'s router for a request of `method` and the raw `path`."""
    return await app.router.resolve(mocked_request(web, method, path))


async def handler(request: Any) -> Any:
    """A handler for routes that are looked at and never called."""
    raise NotImplementedError


def add_static(web: Any, prefix: str, path: Any, **options: Any) -> Any:
    """A static resource of a new application."""
    return web.Application().router.add_static(prefix, path, **options)

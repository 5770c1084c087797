"""The pytest plugin: the fixtures ``asgi_client`` and ``asgi_server``.

It stands outside of the package so that pytest, which loads plugins before anything else, does not import the package:
a run that uses none of this pays nothing, and tools that measure coverage see the package being imported.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from framework.testing import ClientFactory, ServerFactory


@pytest.fixture
def asgi_client(request: pytest.FixtureRequest) -> Iterator[ClientFactory]:
    """Makes httpx clients of ASGI applications, which run in the test's own loop.

    ``client = await asgi_client(app)``, with the options of ``framework.testing.client``; everything is closed after
    the test. ``async with asgi_client(app) as client:`` closes at the end of the block.
    """
    from framework.testing.fixtures import Opener

    opener = Opener(request.node, _exit_stack(request))
    yield opener.client
    opener.check_closed()


@pytest.fixture
def asgi_server(request: pytest.FixtureRequest) -> Iterator[ServerFactory]:
    """Serves ASGI applications with uvicorn on a free port, in the test's own loop.

    ``live = await asgi_server(app)``, with the options of ``framework.testing.server``; ``live.url`` is where. It is
    stopped after the test. ``async with asgi_server(app) as live:`` stops it at the end of the block.
    """
    from framework.testing.fixtures import Opener

    opener = Opener(request.node, _exit_stack(request))
    yield opener.server
    opener.check_closed()


@pytest.fixture
async def _asgi_exit_stack_of_anyio(anyio_backend: object) -> AsyncIterator[AsyncExitStack]:
    """Closes what a test has opened, in the loop that anyio's plugin keeps for the test and its fixtures."""
    async with AsyncExitStack() as stack:
        yield stack


def _exit_stack(request: pytest.FixtureRequest) -> AsyncExitStack | None:
    """anyio's plugin runs async fixtures of tests that ask for ``anyio_backend``; None where another one runs them."""
    if "anyio_backend" not in request.fixturenames:
        return None
    stack = request.getfixturevalue("_asgi_exit_stack_of_anyio")
    return stack if isinstance(stack, AsyncExitStack) else None

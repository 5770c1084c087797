"""The contract: one test, three backends, the same assertions."""

from __future__ import annotations

import pytest

from tests.contract.backends import BACKENDS, SOCKET_BACKENDS, Backend, SocketBackend


@pytest.fixture(params=BACKENDS, ids=lambda backend: backend.name)
def backend(request: pytest.FixtureRequest) -> Backend:
    """Each of aiohttp, asgi and uvicorn in turn."""
    chosen = request.param
    assert isinstance(chosen, Backend)
    return chosen


@pytest.fixture(params=SOCKET_BACKENDS, ids=lambda backend: backend.name)
def socket_backend(request: pytest.FixtureRequest) -> SocketBackend:
    """Each backend with a listening socket: aiohttp and uvicorn."""
    chosen = request.param
    assert isinstance(chosen, SocketBackend)
    return chosen

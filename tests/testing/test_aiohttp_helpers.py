"""What programs import from aiohttp.test_utils beside `make_mocked_request`: aiohttp's and ours."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import aiohttp.test_utils
import pytest

import framework.test_utils

both = pytest.mark.parametrize("test_utils", [aiohttp.test_utils, framework.test_utils], ids=["aiohttp", "framework"])


@both
async def test_a_mocked_coroutine_function(test_utils: Any) -> None:
    mocked = test_utils.make_mocked_coro(5)
    coroutine = mocked(1, a=2)
    assert asyncio.iscoroutine(coroutine)
    mocked.assert_called_once_with(1, a=2)
    assert await coroutine == 5
    assert await test_utils.make_mocked_coro(return_value=None)() is None


@both
async def test_one_that_raises(test_utils: Any) -> None:
    mocked = test_utils.make_mocked_coro(raise_exception=ZeroDivisionError("x"))
    with pytest.raises(ZeroDivisionError, match="x"):
        await mocked()


@both
def test_an_unused_port(test_utils: Any) -> None:
    port = test_utils.unused_port()
    with socket.create_server(("127.0.0.1", port)):
        assert port > 1023

"""Real aiohttp's reading of a header, to compare with, and the strategy helpers of the comparisons."""

from __future__ import annotations

from typing import Any

from aiohttp.test_utils import make_mocked_request
from aiohttp.web import Request
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from multidict import CIMultiDict

# The same examples in every run: a comparison that fails by chance helps nobody.
compared = settings(
    max_examples=300, derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)


def aiohttp_request(*headers: tuple[str, str], path: str = "/") -> Request:
    return make_mocked_request("GET", path, headers=CIMultiDict(headers))


def outcome(function: Any, *args: Any) -> Any:
    """The result, or the type and the message of the `ValueError`."""
    try:
        return function(*args)
    except ValueError as error:
        return type(error), str(error)


def texts(*pieces: str, max_size: int = 12) -> st.SearchStrategy[str]:
    """Texts made of pieces that mean something to the parser."""
    return st.lists(st.sampled_from(pieces), max_size=max_size).map("".join)

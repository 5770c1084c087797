"""The version of HTTP that a request came in."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ("HttpVersion", "HttpVersion10", "HttpVersion11", "parse_version")


class HttpVersion(NamedTuple):
    """A version of HTTP; compares with tuples: ``request.version >= (1, 1)``."""

    major: int
    minor: int


HttpVersion10 = HttpVersion(1, 0)
HttpVersion11 = HttpVersion(1, 1)
HttpVersion2 = HttpVersion(2, 0)
HttpVersion3 = HttpVersion(3, 0)

_VERSIONS = {
    "1.0": HttpVersion10,
    "1.1": HttpVersion11,
    "2": HttpVersion2,
    "2.0": HttpVersion2,
    "3": HttpVersion3,
    "3.0": HttpVersion3,
}


def parse_version(version: str) -> HttpVersion:
    """The version of an ASGI scope's ``http_version``; HTTP/1.1 for what ASGI does not know."""
    return _VERSIONS.get(version, HttpVersion11)

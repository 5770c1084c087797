"""The path of an ASGI scope, in the two forms that routing and URLs need.

Routing goes by the *safe path*: percent-decoded but for ``%2F`` and ``%25``, so that an encoded slash never becomes a
separator (RFC 3986, section 2.2) and decoding twice is impossible.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from yarl import URL

__all__ = ("left_out", "raw_path", "root_path", "route_path", "strip_root_path", "unquote_path_safe")


def raw_path(scope: MutableMapping[str, Any]) -> str:
    """The path as the client sent it, percent-encoded, made from the decoded one where the server keeps only that."""
    raw: bytes | None = scope.get("raw_path")
    if raw is None:
        return URL.build(path=scope["path"], encoded=False).raw_path
    return raw.decode("utf-8", "surrogateescape")


def route_path(scope: MutableMapping[str, Any]) -> str:
    """The safe path below the scope's ``root_path``, which is what the routing table is about."""
    raw: bytes | None = scope.get("raw_path")
    path: str
    if raw is None:
        # What the server decoded is gone: a slash is taken for a separator, a percent sign was encoded.
        path = scope["path"].replace("%", "%25")
    elif b"%" in raw:
        path = URL.build(path=raw.decode("utf-8", "surrogateescape"), encoded=True).path_safe
    else:
        path = scope["path"]
    return strip_root_path(path, scope.get("root_path", ""))


def root_path(scope: MutableMapping[str, Any]) -> str:
    """The path that the application is served at, percent-encoded, without a slash at its end."""
    root: str = scope.get("root_path", "")
    return URL.build(path=root.rstrip("/"), encoded=False).raw_path if root else ""


def left_out(scope: MutableMapping[str, Any]) -> str:
    """What stands before the scope's path in the client's, percent-encoded.

    That is nothing by the ASGI specification; some servers leave ``root_path`` out of the path.
    """
    root: str = scope.get("root_path", "").rstrip("/")
    path: str = scope["path"]
    return "" if not root or path == root or path.startswith(root + "/") else root_path(scope)


def strip_root_path(path: str, root_path: str) -> str:
    """``path`` without ``root_path``, where the server left it in front (the ASGI specification's reading)."""
    if not root_path:
        return path
    root_path = root_path.rstrip("/").replace("%", "%25")
    if path == root_path:
        return "/"
    if path.startswith(root_path + "/"):
        return path[len(root_path) :]
    return path


def unquote_path_safe(value: str) -> str:
    """Decode what a safe path keeps encoded."""
    if "%" not in value:
        return value
    return value.replace("%2F", "/").replace("%25", "%")

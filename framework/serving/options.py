"""What aiohttp's own HTTP implementation can be told, and uvicorn's cannot."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

__all__ = ["check_options"]

_AIOHTTP_PROTOCOL_OPTIONS = {
    "auto_decompress": "request bodies always arrive as aiohttp's default has them",
    "debug": "use python -X dev, PYTHONASYNCIODEBUG=1 or loop.set_debug(True)",
    "lingering_time": "uvicorn closes without lingering",
    "logger": "the application logs to Application(logger=...), the server to the logger uvicorn.error",
    "max_field_size": "uvicorn's parser has its own limits",
    "max_headers": "uvicorn's parser has its own limits",
    "max_line_size": "uvicorn's parser has its own limits",
    "read_bufsize": "uvicorn pauses reading at 64 KiB by itself",
    "tcp_keepalive": "set SO_KEEPALIVE on a socket of your own and pass it as sock=",
    "timeout_ceil_threshold": "uvicorn does not round timeouts",
}


def check_options(
    caller: str,
    options: Mapping[str, Any],
    *,
    stacklevel: int = 3,
) -> None:
    """Warn of what has no effect under uvicorn, each time with the alternative.

    Args:
        caller: what was called with them, for the messages.
        options: keywords that the caller itself does not know.
        stacklevel: whose line the warnings show; 2 is the caller's, 3 that of the program that called it.

    Raises:
        TypeError: one of `options` is none of aiohttp's either.
    """
    unknown = sorted(options.keys() - _AIOHTTP_PROTOCOL_OPTIONS.keys())
    if unknown:
        raise TypeError(f"{caller}() got unexpected keyword arguments: {', '.join(unknown)}")
    complaints = [f"({name}=...) has no effect under uvicorn: {_AIOHTTP_PROTOCOL_OPTIONS[name]}" for name in options]
    for complaint in complaints:
        warnings.warn(caller + complaint, RuntimeWarning, stacklevel=stacklevel)

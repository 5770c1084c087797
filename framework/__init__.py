"""aiohttp.web's API on any ASGI server: `from framework import web`."""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"

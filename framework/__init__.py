"""aiohttp.web's API on any ASGI server: `from framework import web`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from framework.as_aiohttp import install_as_aiohttp

__all__ = ["__version__", "install_as_aiohttp"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name == "install_as_aiohttp":
        # It loads the whole package, which most who import a part of it do not want.
        import importlib

        return importlib.import_module("framework.as_aiohttp").install_as_aiohttp
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

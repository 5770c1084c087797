"""The raw ASGI driver, which is part of the testing kit."""

from __future__ import annotations

from framework.testing.drivers import Driver

__all__ = ("Driver",)

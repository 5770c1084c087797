"""The packages of others that the tests in this folder need: the extra `interop`."""

from __future__ import annotations

from typing import Any

import pytest

__all__ = ("needs",)


def needs(module: str) -> Any:
    """A module of another package; the test module that asks is skipped where it is not installed."""
    return pytest.importorskip(module, reason=f"{module} is not installed: pip install -e '.[interop]'")

"""How the run of an application is begun and ended."""

from __future__ import annotations

__all__ = ["GracefulExit"]


class GracefulExit(SystemExit):
    """Raised anywhere in the loop, ends `run_app` as Ctrl+C does: requests are finished and cleanup runs."""

    code = 1

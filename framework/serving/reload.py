"""Watching a program's source for changes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator

__all__ = ["watch", "watch_by_polling"]

# How often files are looked at where nothing tells of changes, in seconds.
_INTERVAL = 0.5

# Folders with other people's source, beside those whose names begin with a dot.
_NOT_WATCHED = {"__pycache__", "node_modules", "site-packages"}


def watch(folder: Path, stop: threading.Event, changed: Callable[[list[Path]], None]) -> None:
    """Call ``changed`` with the ``*.py`` files below ``folder`` that were changed, made or removed, until ``stop`` is
    set. For a thread.

    With the package watchfiles the system tells of changes at once; without it the files are looked at twice a second.
    """
    try:
        import watchfiles
    except ImportError:
        watch_by_polling(folder, stop, changed)
        return
    source = watchfiles.PythonFilter()
    for changes in watchfiles.watch(
        folder, watch_filter=source, stop_event=stop, debounce=200, raise_interrupt=False, ignore_permission_denied=True
    ):
        changed(sorted({Path(path) for _, path in changes}))


def watch_by_polling(
    folder: Path, stop: threading.Event, changed: Callable[[list[Path]], None], interval: float = _INTERVAL
) -> None:
    """`watch` with the standard library alone."""
    before = dict(_states(folder))
    while not stop.wait(interval):
        now = dict(_states(folder))
        if now != before:
            # What differs in either: changed, made or removed.
            changed(sorted({Path(path) for path, _ in before.items() ^ now.items()}))
            before = now


def _states(folder: Path) -> Iterator[tuple[str, tuple[int, int]]]:
    for root, folders, files in os.walk(folder):
        if "pyvenv.cfg" in files:
            # A virtual environment.
            folders.clear()
            continue
        folders[:] = [name for name in folders if not name.startswith(".") and name not in _NOT_WATCHED]
        for name in files:
            if name.endswith(".py"):
                path = os.path.join(root, name)  # noqa: PTH118 (called for every file, every time)
                try:
                    status = os.stat(path)  # noqa: PTH116
                except OSError:
                    # Removed meanwhile.
                    continue
                yield path, (status.st_mtime_ns, status.st_size)

"""Where a task stands, for the messages of tests that waited too long for it."""

from __future__ import annotations

import asyncio
import traceback
from types import FrameType
from typing import Any

__all__ = ("stack_of",)


def stack_of(task: asyncio.Future[Any]) -> str:
    """The frames of a suspended task, the innermost last, as a traceback has them.

    ``Task.get_stack`` has only the outermost: here what each coroutine awaits is followed.
    """
    get_coro = getattr(task, "get_coro", None)
    awaited: Any = get_coro() if get_coro is not None else None
    frames: list[tuple[FrameType, int]] = []
    while awaited is not None:
        frame = _attribute(awaited, "cr_frame", "ag_frame", "gi_frame")
        if frame is None:
            break
        frames.append((frame, frame.f_lineno))
        awaited = _attribute(awaited, "cr_await", "ag_await", "gi_yieldfrom")
    lines = traceback.StackSummary.extract(iter(frames)).format()
    return "".join(lines) if lines else f"{task!r}\n"


def _attribute(awaited: Any, *names: str) -> Any:
    for name in names:
        found = getattr(awaited, name, None)
        if found is not None:
            return found
    return None

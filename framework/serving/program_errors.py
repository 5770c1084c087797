"""Exceptions of a program that is served, without the frames of what serves it."""

from __future__ import annotations

import asyncio
import os
import sysconfig
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["is_of_program", "show_exception"]

_PACKAGE = str(Path(__file__).parents[1])
_LIBRARY = sysconfig.get_path("stdlib")
# What stands between this package and the program, beside the standard library.
_SERVERS = {"granian", "h2", "hypercorn", "uvicorn", "uvloop"}


def is_of_program(exc: BaseException) -> bool:
    """Whether the program's own code has raised ``exc``, or what it called, and not this package by itself."""
    return _own_part(exc.__traceback__) is not None or isinstance(exc, SyntaxError)


def show_exception(exc: BaseException) -> None:
    """Write ``exc`` to stderr as Python would, from the first line of the program on; all of it if none is its own."""
    seen: set[int] = set()
    pending: list[BaseException | None] = [exc]
    while pending:
        each = pending.pop()
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            own_part = _own_part(each.__traceback__)
            if own_part is not None or isinstance(each, SyntaxError):
                each.__traceback__ = own_part
            if (
                isinstance(each.__context__, asyncio.CancelledError)
                and _own_part(each.__context__.__traceback__) is None
            ):
                # What ended the serving, if a cleanup failed.
                each.__context__ = None
            pending += [each.__cause__, each.__context__]
            if isinstance(each, BaseExceptionGroup):
                pending += each.exceptions
    traceback.print_exception(exc)


def _own_part(frames: TracebackType | None) -> TracebackType | None:
    while frames is not None and not _is_own(frames.tb_frame.f_code.co_filename):
        frames = frames.tb_next
    return frames


def _is_own(file: str) -> bool:
    # What is compiled names its source by a relative path (uvloop/loop.pyx), what is frozen by <...>.
    if not os.path.isabs(file) or _is_below(file, _PACKAGE):  # noqa: PTH117
        return False
    for folder in ("site-packages", "dist-packages"):
        _, found, rest = file.replace("\\", "/").rpartition(f"/{folder}/")
        if found:
            return rest.partition("/")[0] not in _SERVERS
    return not _is_below(file, _LIBRARY)


def _is_below(file: str, folder: str) -> bool:
    return Path(file).is_relative_to(folder)

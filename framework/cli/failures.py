"""What went wrong, for a person at a terminal: a line with the fix, or the traceback of the program's own frames."""

from __future__ import annotations

import os
import sys
import sysconfig
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from framework.cli.terminal import Terminal

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["CommandError", "is_of_program", "say_error", "show_exception"]

_PACKAGE = str(Path(__file__).parents[1])
_LIBRARY = sysconfig.get_path("stdlib")
# What stands between the command line and the program, beside this package and the standard library.
_SERVERS = {"granian", "h2", "hypercorn", "uvicorn", "uvloop"}


class CommandError(Exception):
    """A command cannot do what it was asked for. The message is for the user, and names the fix.

    Args:
        message: a line or two, without an end.
        code: what the process exits with: 2 for what the command line says, 1 for what came of it.
    """

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


def say_error(message: str, command: str = "framework") -> None:
    """Write ``message`` to stderr."""
    label = Terminal(sys.stderr).paint("error:", "bold", "red")
    print(f"{command}: {label} {message}", file=sys.stderr)  # noqa: T201


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

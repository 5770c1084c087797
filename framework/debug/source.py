"""The lines of source around a place in a program, with the columns that an instruction was made of (PEP 657)."""

from __future__ import annotations

import linecache
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePath
from typing import Any, Final

__all__ = ("Place", "SourceLine", "library_of", "read_source", "short_name", "source_lines")

#: Lines shown before and after those that failed, and how many of those at most.
_CONTEXT: Final = 5
_MAX_FAILING: Final = 20
_MAX_LINE: Final = 240

_PACKAGE: Final = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Place:
    """A range in a file: lines from 1, columns from 0 in characters; no columns where they are not known."""

    file: str
    line: int
    end_line: int
    column: int | None = None
    end_column: int | None = None


@dataclass(frozen=True, slots=True)
class SourceLine:
    """A line as it is shown, without the indentation that it shares with the others."""

    number: int
    text: str
    #: Whether it is (a part of) what failed.
    failing: bool
    #: From where to where it is marked; 0 and 0 for nowhere.
    start: int = 0
    end: int = 0


def read_source(place: Place, namespace: dict[str, Any] | None = None) -> list[SourceLine]:
    """The lines around ``place``; none where there is no source, or the file has no such line any more.

    ``namespace`` is that of the module, whose loader may know what the file system does not.
    """
    lines = source_lines(place.file, namespace)
    if not 1 <= place.line <= len(lines):
        return []
    failing_end = min(max(place.line, place.end_line), place.line + _MAX_FAILING - 1, len(lines))
    first = max(1, place.line - _CONTEXT)
    window = [line.rstrip() for line in lines[first - 1 : failing_end + _CONTEXT]]
    while len(window) > failing_end - first + 1 and not window[-1]:
        window.pop()
    while first < place.line and not window[0]:
        window.pop(0)
        first += 1
    indentation = _shared_indentation(window)
    return [_shown(place, number, text, indentation) for number, text in enumerate(window, first)]


def source_lines(file: str, namespace: dict[str, Any] | None = None) -> list[str]:
    """All lines of ``file`` as it is now; none where it cannot be read."""
    try:
        linecache.checkcache(file)
        return linecache.getlines(file, namespace)
    except ValueError:  # a name that no file can have
        return []


def _shown(place: Place, number: int, text: str, indentation: int) -> SourceLine:
    failing = place.line <= number <= max(place.line, place.end_line)
    start = end = 0
    if failing and place.column is not None and place.end_column is not None:
        own = len(text) - len(text.lstrip())
        start = place.column if number == place.line else own
        end = place.end_column if number == place.end_line else len(text)
        if place.line == place.end_line and start <= own and end >= len(text):
            # All of the line: there is nothing to tell apart.
            start = end = 0
    text, start, end = text[indentation:], max(0, start - indentation), max(0, end - indentation)
    if len(text) > _MAX_LINE:
        left = max(0, start - 60) if start > _MAX_LINE - 60 else 0
        before, after = "…" if left else "", "…" if len(text) > left + _MAX_LINE else ""
        text = before + text[left : left + _MAX_LINE] + after
        start, end = (max(0, each - left + len(before)) for each in (start, end))
    start, end = min(start, len(text)), min(end, len(text))
    return SourceLine(number, text, failing, *((start, end) if start < end else (0, 0)))


def _shared_indentation(lines: list[str]) -> int:
    indentations = [line[: len(line) - len(line.lstrip())] for line in lines if line]
    shortest = min(indentations, key=len, default="")
    # Tabs under spaces share nothing.
    return len(shortest) if all(each.startswith(shortest) for each in indentations) else 0


def library_of(file: str) -> str | None:
    """The name of the library that ``file`` belongs to: a top-level module or package. None for the program's own."""
    if file.startswith("<frozen "):
        return "Python"
    path = PurePath(file)
    if path.is_relative_to(_PACKAGE):
        return _PACKAGE.name
    parts = path.parts
    for folder in ("site-packages", "dist-packages"):
        if folder in parts[:-1]:
            return parts[parts.index(folder) + 1].removesuffix(".py")
    for library in _library_folders():
        if path.is_relative_to(library) and path != library:
            return path.relative_to(library).parts[0].removesuffix(".py")
    return None


@cache
def _library_folders() -> tuple[PurePath, ...]:
    import sysconfig

    names = ("stdlib", "platstdlib", "purelib", "platlib")
    return tuple(PurePath(path) for name in names if (path := sysconfig.get_path(name)))


def short_name(file: str) -> str:
    """``file`` as far as it tells something: from the library's own folder, or from the working directory."""
    path = PurePath(file)
    library = library_of(file)
    if library is not None:
        parts = path.parts
        return str(PurePath(*parts[parts.index(library) :])) if library in parts else path.name
    try:
        return str(path.relative_to(Path.cwd()))
    except (OSError, ValueError):  # the directory was removed; the file is elsewhere
        return file

"""An exception as values and as text: what was raised, by which calls, and what it came of.

Everything is bounded, because a recursion leaves as many calls behind as Python allows, and a loop that tries again as
many exceptions as it likes.
"""

from __future__ import annotations

import linecache
import os
import traceback
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from types import FrameType, TracebackType
from typing import Any, Final, Literal

from framework.debug.source import Place, SourceLine, library_of, read_source, short_name, source_lines
from framework.debug.values import Variable, class_name, show_variables

__all__ = ("Call", "Raised", "describe", "format_text")

#: How many exceptions are told of, and how many calls of each: so many outer ones, and so many inner ones.
_MAX_EXCEPTIONS: Final = 16
_MAX_OUTER: Final = 12
_MAX_INNER: Final = 24

#: Characters of a message or a note in the page, and of the whole traceback as text.
_MAX_MESSAGE: Final = 4000
_MAX_NOTES: Final = 20
_MAX_TEXT: Final = 100_000

#: How often Python itself shows a call that is repeated.
_REPEATED: Final = 3


@dataclass(frozen=True, slots=True)
class Call:
    """A call that was under way."""

    function: str
    file: str
    line: int
    #: The file's name as far as it tells something.
    name: str
    #: The library that it is of, None for a call of the program's own.
    library: str | None
    source: list[SourceLine]
    #: What there is to say of the source.
    remark: str
    #: Of the program's own calls; and how many variables more there are.
    variables: list[Variable]
    more_variables: int
    #: How many times the same call stands here.
    times: int


@dataclass(slots=True)
class Raised:
    """An exception."""

    kind: str
    message: str
    notes: list[str]
    #: The most recent one first.
    calls: list[Call]
    #: How many calls before those were left out, and the outermost ones before these.
    omitted: int
    outer_calls: list[Call]
    #: Of a SyntaxError: what could not be compiled.
    syntax: Call | None = None
    #: Of a group: the exceptions in it, and how many more there are.
    members: list[Raised] = field(default_factory=list)
    more_members: int = 0
    #: What it came of: by ``raise … from``, or by being raised while the other was handled.
    origin: Raised | None = None
    relation: Literal["", "cause", "context"] = ""
    #: Whether it has an origin that is not told of.
    cut_off: bool = False


def describe(exc: BaseException, newer_than: float) -> Raised:
    """``exc`` with what it came of, and its calls, the most recent one first.

    ``newer_than`` is the time (of `time.time`) when the program began: of files changed since, the lines shown may be
    others than those that ran.
    """
    return _Describer(newer_than).describe(exc)


class _Describer:
    def __init__(self, newer_than: float) -> None:
        self._newer_than = newer_than
        self._seen: set[int] = set()

    def describe(self, exc: BaseException) -> Raised:
        first = current = self._describe_one(exc)
        while True:
            relation: Literal["cause", "context"] = "cause"
            origin = exc.__cause__
            if origin is None and not exc.__suppress_context__:
                origin, relation = exc.__context__, "context"
            if origin is None or id(origin) in self._seen:
                return first
            if len(self._seen) >= _MAX_EXCEPTIONS:
                current.cut_off = True
                return first
            exc = origin
            current.origin = self._describe_one(exc)
            current = current.origin
            current.relation = relation

    def _describe_one(self, exc: BaseException) -> Raised:
        self._seen.add(id(exc))
        entries, omitted = _entries(exc.__traceback__)
        calls = [self._call(entry, times) for entry, times in reversed(entries)]
        inner = len(calls) - _MAX_OUTER if omitted else len(calls)
        raised = Raised(
            kind=class_name(type(exc)),
            message=_cut(_text_of(exc.msg if isinstance(exc, SyntaxError) else exc)),
            notes=_notes(exc),
            calls=calls[:inner],
            omitted=omitted,
            outer_calls=calls[inner:],
        )
        if isinstance(exc, SyntaxError):
            raised.syntax = self._syntax(exc)
        if isinstance(exc, BaseExceptionGroup):
            for member in exc.exceptions:
                if len(self._seen) >= _MAX_EXCEPTIONS or id(member) in self._seen:
                    raised.more_members += 1
                else:
                    raised.members.append(self.describe(member))
        return raised

    def _call(self, entry: TracebackType, times: int) -> Call:
        frame = entry.tb_frame
        place = _place(entry)
        library = library_of(place.file)
        source = read_source(place, frame.f_globals)
        variables: list[Variable] = []
        more = 0
        # Those of libraries tell little; those of a module are its functions and classes.
        if library is None and frame.f_code.co_name != "<module>":
            variables, more = show_variables(frame.f_locals)
        return Call(
            function=frame.f_code.co_qualname,
            file=place.file,
            line=place.line,
            name=short_name(place.file),
            library=library,
            source=source,
            remark=self._remark(place.file, source),
            variables=variables,
            more_variables=more,
            times=times,
        )

    def _syntax(self, exc: SyntaxError) -> Call | None:
        file, line = exc.filename, exc.lineno
        if not isinstance(file, str) or not isinstance(line, int):
            return None
        end_line = exc.end_lineno if isinstance(exc.end_lineno, int) and exc.end_lineno >= line else line
        column = end_column = None
        if isinstance(exc.offset, int) and exc.offset > 0:
            column = exc.offset - 1
            end = exc.end_offset
            end_column = end - 1 if isinstance(end, int) and (end_line > line or end - 1 > column) else column + 1
        source = read_source(Place(file, line, end_line, column, end_column))
        if not source and isinstance(exc.text, str):
            text = _cut(exc.text.rstrip())
            source = [SourceLine(line, text, failing=True, start=column or 0, end=end_column or 0)]
        return Call(
            function="",
            file=file,
            line=line,
            name=short_name(file),
            library=library_of(file),
            source=source,
            remark=self._remark(file, source),
            variables=[],
            more_variables=0,
            times=1,
        )

    def _remark(self, file: str, source: list[SourceLine]) -> str:
        if not source:
            return "The source is not available."
        try:
            changed = os.stat(file).st_mtime > self._newer_than  # noqa: PTH116
        except (OSError, ValueError):
            return ""
        return "The file has changed since the program began: these may not be the lines that ran." if changed else ""


def format_text(exc: BaseException) -> str:
    """The traceback as Python prints it, without what is in the middle of a very long one."""
    # Without any calls, of which there may be too many; then with those that are told of.
    outermost = traceback.TracebackException(type(exc), exc, exc.__traceback__, limit=0)
    waiting: deque[tuple[traceback.TracebackException, BaseException]] = deque([(outermost, exc)])
    for _ in range(_MAX_EXCEPTIONS):
        if not waiting:
            break
        told, exc = waiting.popleft()
        told.stack = _Stack(_summaries(exc.__traceback__))
        for part, origin in ((told.__cause__, exc.__cause__), (told.__context__, exc.__context__)):
            if part is not None and origin is not None:
                waiting.append((part, origin))
        if told.exceptions and isinstance(exc, BaseExceptionGroup):
            waiting.extend(zip(told.exceptions, exc.exceptions, strict=False))
    text = "".join(outermost.format())
    if len(text) > _MAX_TEXT:
        half = _MAX_TEXT // 2
        text = f"{text[:half]}\n[{len(text) - 2 * half} characters are left out]\n{text[-half:]}"
    return text


class _Stack(traceback.StackSummary):
    """Calls, and remarks between them: summaries without a file."""

    def format_frame_summary(self, frame_summary: traceback.FrameSummary, **options: Any) -> str:
        if not frame_summary.filename:
            return f"  [{frame_summary.name}]\n"
        return super().format_frame_summary(frame_summary, **options)


def _summaries(entry: TracebackType | None) -> Iterator[traceback.FrameSummary]:
    entries, omitted = _entries(entry)
    for number, (each, times) in enumerate(entries):
        if omitted and number == _MAX_OUTER:
            yield traceback.FrameSummary("", 0, f"{omitted} calls are left out", lookup_line=False, line="")
        summary = _summary(each)
        yield from [summary] * min(times, _REPEATED)
        if times > _REPEATED:
            more = times - _REPEATED
            text = f"Previous line repeated {more} more time{'s' if more > 1 else ''}"
            yield traceback.FrameSummary("", 0, text, lookup_line=False, line="")


def _summary(entry: TracebackType) -> traceback.FrameSummary:
    frame = entry.tb_frame
    file = frame.f_code.co_filename
    linecache.checkcache(file)
    linecache.lazycache(file, frame.f_globals)
    line, end_line, column, end_column = _positions(entry)
    return traceback.FrameSummary(
        file,
        line or entry.tb_lineno,
        frame.f_code.co_name,
        lookup_line=False,
        end_lineno=end_line,
        colno=column,
        end_colno=end_column,
    )


def _entries(entry: TracebackType | None) -> tuple[list[tuple[TracebackType, int]], int]:
    """The calls of a traceback, equal ones in a row as one with their number, and how many were left out."""
    outer: list[tuple[TracebackType, int]] = []
    inner: deque[tuple[TracebackType, int]] = deque(maxlen=_MAX_INNER)
    total = 0
    while entry is not None:
        times = 1
        where = _where(entry)
        following = entry.tb_next
        while following is not None and _where(following) == where:
            times += 1
            following = following.tb_next
        (outer if len(outer) < _MAX_OUTER else inner).append((entry, times))
        total += times
        entry = following
    kept = [*outer, *inner]
    return kept, total - sum(times for _, times in kept)


def _where(entry: TracebackType) -> tuple[int, int]:
    return id(entry.tb_frame.f_code), entry.tb_lineno


def _positions(entry: TracebackType) -> tuple[int | None, int | None, int | None, int | None]:
    """Line, last line, column and last column; the columns in octets."""
    # An instruction is two octets long.
    found = next(islice(entry.tb_frame.f_code.co_positions(), entry.tb_lasti // 2, None), None)
    return found or (None, None, None, None)


def _place(entry: TracebackType) -> Place:
    frame: FrameType = entry.tb_frame
    file = frame.f_code.co_filename
    line, end_line, column, end_column = _positions(entry)
    if line is None:
        # tb_lineno itself is None for some instructions that no line of the source stands for.
        line = entry.tb_lineno or 0
    end_line = end_line or line
    if column is None or end_column is None:
        return Place(file, line, end_line)
    lines = source_lines(file, frame.f_globals)
    column = _characters(lines, line, column)
    end_column = _characters(lines, end_line, end_column)
    return Place(file, line, end_line, column, end_column)


def _characters(lines: list[str], number: int, octets: int) -> int:
    """A column in characters, given in octets of UTF-8."""
    line = lines[number - 1] if 1 <= number <= len(lines) else ""
    return octets if line.isascii() else len(line.encode("utf-8", "surrogatepass")[:octets].decode("utf-8", "replace"))


def _notes(exc: BaseException) -> list[str]:
    notes = getattr(exc, "__notes__", ())
    if not isinstance(notes, (list, tuple)):
        notes = [notes]
    return [_cut(_text_of(note)) for note in notes[:_MAX_NOTES]]


def _text_of(value: object) -> str:
    try:
        return str(value)
    except Exception:  # the program's own method
        return f"<{class_name(type(value))}: str() failed>"


def _cut(text: str) -> str:
    more = len(text) - _MAX_MESSAGE
    return text if more <= 0 else f"{text[:_MAX_MESSAGE]}… ({more} more characters)"

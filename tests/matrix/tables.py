"""The table, for docs/servers.md and for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from tests.matrix.checks import CHECKS, COLUMNS
from tests.matrix.known import KNOWN, known_failure
from tests.matrix.running import Outcome
from tests.matrix.servers import SERVERS, Server

__all__ = ("BEGIN", "END", "documented", "rewritten", "terminal")

BEGIN = "<!-- scripts/matrix --write: what follows, up to the end of the footnotes, is made from tests/matrix/ -->"
END = "<!-- end of what scripts/matrix writes -->"

#: The footnotes, in the order in which they are met in the table.
_NOTES = sorted(KNOWN, key=lambda known: (min(map(list(SERVERS).index, known.servers)), COLUMNS.index(known.column)))

_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def documented() -> str:
    """The table as it has to be by what is known, with its footnotes, in Markdown."""
    lines = [f"| | {' | '.join(COLUMNS)} |", f"|---|{'---|' * len(COLUMNS)}"]
    for server in SERVERS.values():
        cells = [_expected(server, column) for column in COLUMNS]
        lines.append(f"| {server.name} | {' | '.join(cells)} |")
    lines.append("")
    for number, known in enumerate(_NOTES, 1):
        where = f"[issue]({known.issue})" if known.issue else "no issue found"
        note = f"{', '.join(known.servers)}; {known.column}: {', '.join(known.checks)}. {known.reason}"
        wrapped = textwrap.wrap(f"{note} ({known.version}; {where})", 114, break_long_words=False)
        begin = f"{number}. "
        lines.append(begin + f"\n{' ' * len(begin)}".join(wrapped))
    return "\n".join([BEGIN, "", *lines, "", END])


def _expected(server: Server, column: str) -> str:
    checks = [check for check in CHECKS if check.column == column]
    if all(check.optional for check in checks) and column not in server.extensions:
        return "–"
    known = [entry for check in checks if (entry := known_failure(server, check)) is not None]
    numbers = sorted({_NOTES.index(entry) + 1 for entry in known})
    marks = "˒".join(str(number).translate(_SUPERSCRIPTS) for number in numbers)
    works = len(known) < len(checks) or any(entry.racy for entry in known)
    return ("✓" if works else "✗") + marks


def rewritten(document: str) -> str:
    """A document with the table in it brought up to date."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError("the document has no place for the table")
    return before + documented() + after


def terminal(results: dict[str, list[Outcome]], *, colour: bool) -> str:
    """What came of a run: a row for each server, and what is to be said of its cells."""
    width = max(map(len, results), default=0)
    columns = [column for column in COLUMNS if any(o.check.column == column for row in results.values() for o in row)]
    lines = [" " * width + "  " + "  ".join(columns)]
    remarks: list[str] = []
    for name, outcomes in results.items():
        cells = []
        for column in columns:
            text = _cell([outcome for outcome in outcomes if outcome.check.column == column])
            padded = text.center(len(column))
            cells.append(f"\x1b[31m{padded}\x1b[0m" if colour and text == "FAIL" else padded)
        lines.append(f"{name.ljust(width)}  {'  '.join(cells)}".rstrip())
        remarks += _remarks(name, outcomes)
    legend = "✓ as it should be   k known to fail (docs/servers.md)   - not offered   FAIL not as it is known"
    return "\n".join([*lines, "", legend, *([""] if remarks else []), *remarks])


def _cell(outcomes: list[Outcome]) -> str:
    if any(outcome.surprise for outcome in outcomes):
        return "FAIL"
    if any(outcome.error for outcome in outcomes):
        return "k"
    return "✓" if any(outcome.offered for outcome in outcomes) else "-"


def _remarks(name: str, outcomes: Iterable[Outcome]) -> list[str]:
    return [f"{name}, {o.check.column}, {o.check.name}: {o.surprise}" for o in outcomes if o.surprise]

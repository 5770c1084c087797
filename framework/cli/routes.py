"""`framework routes`: what an application answers, as a table or as JSON."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import json
import sys
from typing import TYPE_CHECKING, Any

from framework.applications import Application
from framework.cli.failures import CommandError
from framework.cli.route_list import ListedRoute, list_routes
from framework.cli.run import add_target, configured_target
from framework.cli.terminal import Terminal
from framework.serving.import_strings import ImportStringError, load_application

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

__all__ = ["add_arguments", "show_routes"]

_EPILOG = """\
examples:
  framework routes hello:app
  framework routes | grep POST
  framework routes --json | jq '.[].path'
"""

_SAFE = {"GET", "HEAD", "OPTIONS"}


def add_arguments(commands: Any) -> None:
    """Add the command to those of ``commands``, argparse's."""
    parser = commands.add_parser(
        "routes",
        usage="%(prog)s [options] [MODULE:APP]",
        help="show what an application answers",
        description="Show the routes of an application in the order in which they were added, and\nwhere their "
        "handlers are. The application is imported and not started.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(command=show_routes)
    add_target(parser)
    parser.add_argument("--json", action="store_true", help="write a list of objects, for programs")


def show_routes(options: argparse.Namespace) -> int:
    """Write the routes to stdout, and give the exit code.

    Raises CommandError where there is no such application, and what the program raises.
    """
    try:
        # What the program prints is no part of the table, which others may read.
        with contextlib.redirect_stdout(sys.stderr):
            found = load_application(options.target or configured_target())
            app = found if isinstance(found, Application) else asyncio.run(_made(found))
    except ImportStringError as exc:
        raise CommandError(str(exc)) from exc
    routes = list_routes(app)
    if options.json:
        text = json.dumps([dataclasses.asdict(route) for route in routes], indent=2)
    elif not routes:
        text = "no routes"
    else:
        text = _table(routes, Terminal(sys.stdout))
    print(text, flush=True)  # noqa: T201
    return 0


async def _made(awaitable: Awaitable[Application]) -> Application:
    return await awaitable


def _table(routes: Sequence[ListedRoute], terminal: Terminal) -> str:
    """Aligned columns, without those that no route fills; two lines for each route where a line is too long."""
    columns = ["METHOD", "DOMAIN", "PATH", "NAME", "HANDLER", "FILE"]
    rows = [
        [
            " ".join(route.methods),
            route.domain or "",
            route.path,
            route.name or "",
            route.handler,
            f"{route.file}:{route.line}" if route.file else "",
        ]
        for route in routes
    ]
    shown = [place for place in range(len(columns)) if any(row[place] for row in rows)]
    widths = [max(map(len, (columns[place], *(row[place] for row in rows)))) for place in range(len(columns))]
    lines = [_line(columns, shown, widths, terminal, heading=True)]
    if terminal.width is None or sum(widths[place] + 2 for place in shown) - 2 <= terminal.width:
        lines += [_line(row, shown, widths, terminal) for row in rows]
        return "\n".join(lines)
    first, second = [place for place in shown if place < 4], [place for place in shown if place >= 4]
    indent = " " * min(widths[0] + 2, 8)
    lines = []
    for row in rows:
        lines.append(_line(row, first, widths, terminal))
        if any(row[place] for place in second):
            lines.append(indent + _line(row, second, [0] * len(row), terminal))
    return "\n".join(lines)


def _line(
    row: Sequence[str], places: Sequence[int], widths: Sequence[int], terminal: Terminal, *, heading: bool = False
) -> str:
    cells = []
    for place in places:
        styles = ("bold",) if heading else _styles(place, row)
        # Spaces behind the last cell would make a terminal wrap the line; painted ones would be underlined by some.
        spaces = "" if place == places[-1] else " " * (widths[place] - len(row[place]))
        cells.append(terminal.paint(row[place], *styles) + spaces)
    return "  ".join(cells).rstrip()


def _styles(place: int, row: Sequence[str]) -> tuple[str, ...]:
    match place:
        case 0:
            return ("bold", "green") if set(row[0].split()) <= _SAFE else ("bold", "yellow")
        case 2:
            return ("bold",)
        case 3:
            return ("cyan",)
        case 1 | 5:
            return ("dim",)
        case _:
            return ()

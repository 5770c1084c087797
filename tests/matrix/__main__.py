"""The command `scripts/matrix`."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path

from tests.matrix.checks import COLUMNS
from tests.matrix.running import Outcome, run_server
from tests.matrix.servers import SERVERS
from tests.matrix.tables import documented, rewritten, terminal
from tests.matrix.trials import FailedError

DOCUMENT = Path(__file__).parents[2] / "docs" / "servers.md"


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="scripts/matrix",
        description="Run the program of tests/matrix/ on each ASGI server that is installed, and show what works.",
    )
    parser.add_argument(
        "--only", action="append", default=[], metavar="TEXT", help="servers whose name contains this; may be repeated"
    )
    parser.add_argument("--column", action="append", default=[], choices=COLUMNS, help="may be repeated")
    parser.add_argument("--json", action="store_true", help="print what came of each check as JSON")
    parser.add_argument("--markdown", action="store_true", help="run nothing; print the table of docs/servers.md")
    parser.add_argument(
        "--write", action="store_true", help="run nothing; bring the table in docs/servers.md up to date"
    )
    parser.add_argument("--verbose", action="store_true", help="show the error of each check that is known to fail")
    arguments = parser.parse_args()
    if arguments.markdown:
        print(documented())
        return 0
    if arguments.write:
        DOCUMENT.write_text(rewritten(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
        return 0
    chosen = [
        server
        for server in SERVERS.values()
        if not arguments.only or any(text in server.name for text in arguments.only)
    ]
    if not chosen:
        parser.error(f"no such server; there are: {', '.join(SERVERS)}")

    results: dict[str, list[Outcome]] = {}
    broken = False
    for server in chosen:
        if missing := server.missing():
            print(f"{server.name}: skipped, {missing} is not installed", file=sys.stderr)
            continue
        if sys.stderr.isatty():
            print(f"{server.name} …", end="\r", file=sys.stderr)
        try:
            results[server.name] = asyncio.run(run_server(server, arguments.column))
        except FailedError as exc:
            print(exc, file=sys.stderr)
            broken = True

    if arguments.json:
        rows = [
            {
                "server": name,
                "version": outcome.server.version,
                "column": outcome.check.column,
                "check": outcome.check.name,
                "offered": outcome.offered,
                "error": outcome.error,
                "known": outcome.known.reason if outcome.known is not None else "",
                "unexpected": outcome.surprise,
            }
            for name, outcomes in results.items()
            for outcome in outcomes
        ]
        print(json.dumps(rows, ensure_ascii=False, indent=1))
    else:
        print(terminal(results, colour=sys.stdout.isatty()))
        if arguments.verbose:
            print()
            for name, outcomes in results.items():
                for outcome in outcomes:
                    if outcome.known is not None and outcome.error:
                        print(f"{name}, {outcome.check.column}, {outcome.check.name}, known: {outcome.error}")
    return int(broken or any(outcome.surprise for outcomes in results.values() for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())

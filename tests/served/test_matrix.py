"""The matrix of servers: every column of docs/servers.md on every server that is installed, each by its own command.

What is known to fail has to fail, so that the document stays true; see tests/matrix/known.py.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.matrix.checks import CHECKS, COLUMNS
from tests.matrix.known import KNOWN, known_failure
from tests.matrix.running import Outcome, run_server
from tests.matrix.servers import SERVERS
from tests.matrix.tables import documented, rewritten

DOCUMENT = Path(__file__).parents[2] / "docs" / "servers.md"


@pytest.fixture(scope="module", params=SERVERS)
def outcomes(request: pytest.FixtureRequest) -> list[Outcome]:
    """What came of all checks on a server, which is started once."""
    server = SERVERS[request.param]
    if missing := server.missing():
        pytest.skip(f"{missing} is not installed")
    return asyncio.run(run_server(server))


@pytest.mark.parametrize("column", COLUMNS)
def test_column(outcomes: list[Outcome], column: str) -> None:
    made = [outcome for outcome in outcomes if outcome.check.column == column]
    assert made
    assert [f"{outcome.check.name}: {outcome.surprise}" for outcome in made if outcome.surprise] == []


def test_the_document_shows_what_is_known() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert documented() in text, "call scripts/matrix --write"
    assert rewritten(text) == text


def test_what_is_known_is_of_checks_and_servers_that_there_are() -> None:
    names = {(check.column, check.name) for check in CHECKS}
    for known in KNOWN:
        assert set(known.servers) <= set(SERVERS)
        assert {(known.column, name) for name in known.checks} <= names
        assert known.issue == "" or known.issue.startswith("https://github.com/")
        for name in known.servers:
            assert known.version.split(" ")[0] == SERVERS[name].distributions[0]
            for check in CHECKS:
                if check.column == known.column and check.name in known.checks:
                    assert known_failure(SERVERS[name], check) is known, f"two entries for {name}, {check.name}"

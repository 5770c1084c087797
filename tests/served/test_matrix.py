"""The matrix of servers: every column of docs/servers.md on every server that is installed, each by its own command.

What is known to fail has to fail, so that the document stays true; see tests/matrix/known.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.matrix.checks import CHECKS, COLUMNS
from tests.matrix.known import KNOWN, known_failure
from tests.matrix.running import Outcome, run_server
from tests.matrix.servers import SERVERS
from tests.matrix.tables import documented, rewritten

DOCUMENT = Path(__file__).parents[2] / "docs" / "servers.md"


@pytest.fixture(scope="module")
def runs(request: pytest.FixtureRequest) -> Iterator[dict[str, Future[list[Outcome]]]]:
    """All checks on each server that was asked for; two servers at a time, which mostly wait."""
    asked: dict[str, None] = dict.fromkeys(
        str(item.callspec.params["outcomes"])
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.originalname == test_column.__name__
    )
    with ThreadPoolExecutor(2) as pool:
        yield {
            name: pool.submit(asyncio.run, run_server(SERVERS[name])) for name in asked if not SERVERS[name].missing()
        }


@pytest.fixture(scope="module", params=SERVERS)
def outcomes(request: pytest.FixtureRequest, runs: dict[str, Future[list[Outcome]]]) -> list[Outcome]:
    """What came of all checks on a server, which is started once."""
    if missing := SERVERS[request.param].missing():
        pytest.skip(f"{missing} is not installed")
    return runs[request.param].result()


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

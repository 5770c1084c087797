"""The matrix of servers: every column of docs/servers.md on every server that is installed, each by its own command.

What is known to fail has to fail, so that the document stays true; see tests/matrix/known.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.matrix.__main__ import main
from tests.matrix.checks import CHECKS, COLUMNS
from tests.matrix.known import KNOWN, known_failure
from tests.matrix.running import Outcome, run_server
from tests.matrix.servers import SERVERS, Server
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
    surprises = [outcome for outcome in made if outcome.surprise]
    assert [f"{outcome.check.name}: {outcome.surprise}" for outcome in surprises] == [], surprises[0].log


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


def outcome(server: str, column: str, name: str, **kwargs: Any) -> Outcome:
    [check] = [check for check in CHECKS if (check.column, check.name) == (column, name)]
    return Outcome(check, SERVERS[server], **kwargs)


def test_what_is_not_known_is_a_surprise() -> None:
    assert outcome("uvicorn h11", "text", "GET").surprise == ""
    assert outcome("uvicorn h11", "text", "GET", error="status 500").surprise == "status 500"


def test_what_is_known_has_to_fail_in_its_version(monkeypatch: pytest.MonkeyPatch) -> None:
    [known] = [known for known in KNOWN if known.issue.endswith("daphne/issues/374")]
    monkeypatch.setattr("tests.matrix.servers.Server.version", known.version)
    name = "the application's close code"
    assert outcome("daphne", "websocket", name, error="no reason").surprise == ""
    assert outcome("daphne", "websocket", name).surprise.startswith("passes, but")
    monkeypatch.setattr("tests.matrix.servers.Server.version", "daphne 5")
    assert outcome("daphne", "websocket", name).surprise == ""


def test_extensions_are_offered_as_the_table_says() -> None:
    assert outcome("uvicorn h11", "trailers", "arrive", offered=False).surprise == ""
    assert outcome("uvicorn h11", "trailers", "arrive").surprise == "offered now"
    assert outcome("uvicorn h2", "trailers", "arrive", offered=False).surprise == "no longer offered"


@pytest.mark.parametrize(("error", "code", "cell"), [("", 0, "✓"), ("status 500", 1, "FAIL")])
def test_the_command(
    error: str, code: int, cell: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def run(server: Server, columns: list[str]) -> list[Outcome]:
        assert columns == ["text"]
        return [outcome(server.name, "text", "GET", error=error)]

    monkeypatch.setattr("tests.matrix.__main__.run_server", run)
    monkeypatch.setattr("sys.argv", ["matrix", "--only", "uvicorn h11", "--column", "text"])
    assert main() == code
    assert cell in capsys.readouterr().out.splitlines()[1]

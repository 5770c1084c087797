"""What is known to fail, and why: the footnotes of the table in docs/servers.md."""

from __future__ import annotations

from dataclasses import dataclass

from tests.matrix.checks import Check
from tests.matrix.servers import Server

__all__ = ("KNOWN", "Known", "known_failure")


@dataclass(frozen=True)
class Known:
    """A failure of servers that the application can do nothing about.

    Args:
        servers: names of rows.
        column: where it shows.
        checks: which of the column's.
        reason: what the server does, in a sentence.
        version: the server's, that it was seen with.
        issue: the server's own issue, "" where none was found.
        racy: whether it passes now and then.
        breaks: whether the server is of no use afterwards.
    """

    servers: tuple[str, ...]
    column: str
    checks: tuple[str, ...]
    reason: str
    version: str
    issue: str = ""
    racy: bool = False
    breaks: bool = False


KNOWN = [
    Known(
        ("hypercorn h3",),
        "upload",
        ("413 before all of the body is sent",),
        "What a client still sends for a request that has been answered raises KeyError, and from then on the process "
        "answers nothing over HTTP/3.",
        "hypercorn 0.18.0",
        breaks=True,
    ),
]


def known_failure(server: Server, check: Check) -> Known | None:
    """The entry for a check of a server, None where it has to pass."""
    for known in KNOWN:
        if server.name in known.servers and check.column == known.column and check.name in known.checks:
            return known
    return None

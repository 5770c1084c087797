"""All checks on one server, and what came of each."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.matrix.checks import CHECKS, Check
from tests.matrix.connections import NotOfferedError
from tests.matrix.known import Known, known_failure
from tests.matrix.servers import Server
from tests.matrix.trials import PATIENCE, Certificates, FailedError, Trial, trial_of

__all__ = ("Outcome", "run_server")

#: Seconds for a check that is known to fail; for others see `Trial.patience`.
KNOWN_LIMIT = 1.0


@dataclass(frozen=True)
class Outcome:
    """What came of a check.

    Args:
        check: which one.
        server: on which server.
        error: what went wrong, "" where nothing did.
        offered: False where the server does not offer the extension that was to be seen.
        log: the last that the server has written.
    """

    check: Check
    server: Server
    error: str = ""
    offered: bool = True
    log: str = ""

    @property
    def known(self) -> Known | None:
        """The reason, where it is known to fail."""
        return known_failure(self.server, self.check)

    @property
    def surprise(self) -> str:
        """What the matrix did not expect, "" where all is as it is known."""
        if self.check.optional and not self.error and self.offered != (self.check.column in self.server.extensions):
            return "offered now" if self.offered else "no longer offered"
        if self.known is None:
            return self.error
        if self.error or self.known.racy or self.known.version != self.server.version:
            return ""
        return f"passes, but is listed as known to fail: {self.known.reason}"


async def run_server(server: Server, columns: Iterable[str] = ()) -> list[Outcome]:
    """Make all checks, or those of ``columns``, on ``server``.

    Checks that are known to break the server have one of their own, the others share one.
    """
    chosen = [check for check in CHECKS if not columns or check.column in columns]
    breaking = [check for check in chosen if (known := known_failure(server, check)) is not None and known.breaks]
    outcomes: dict[Check, Outcome] = {}
    with tempfile.TemporaryDirectory() as name:
        certificates = Certificates(Path(name))
        held = KNOWN_LIMIT if _is_known(server, "on_shutdown runs before the wait") else PATIENCE
        ending = 10.0 if _is_known(server, "the exit code is 0, or the signal's") else PATIENCE
        for group in [[check for check in chosen if check not in breaking], *([check] for check in breaking)]:
            if not group:
                continue
            folder = Path(name, str(len(outcomes)))
            folder.mkdir()
            async with trial_of(server, folder, certificates, held=held) as trial:
                trial.patience_at_the_end = ending
                for check in group:
                    outcomes[check] = outcome = await _outcome(check, trial)
                    if outcome.surprise and not outcome.known:
                        # For a server that answers nothing any more, waiting as long each time would be too long.
                        trial.patience = min(trial.patience, 5.0)
    return [outcomes[check] for check in chosen]


def _is_known(server: Server, name: str) -> bool:
    return any(check.name == name and known_failure(server, check) is not None for check in CHECKS)


async def _outcome(check: Check, trial: Trial) -> Outcome:
    limit = trial.patience if known_failure(trial.server, check) is None else KNOWN_LIMIT
    if check.ends_the_server:
        limit = trial.patience + PATIENCE
    try:
        async with asyncio.timeout(limit):
            await check.run(trial)
    except NotOfferedError as exc:
        if check.optional:
            return Outcome(check, trial.server, offered=False)
        error = f"not offered: {exc}"
    except TimeoutError:
        error = f"nothing after {limit:g} seconds"
    except FailedError as exc:
        error = str(exc)
    except Exception as exc:
        error = f"{type(exc).__name__}: {exc}"
    else:
        error = ""
    finally:
        with contextlib.suppress(TimeoutError, OSError):
            async with asyncio.timeout(PATIENCE):
                await trial.close_connections()
    return Outcome(check, trial.server, error, log=trial.log.read_text(errors="replace")[-4000:] if error else "")

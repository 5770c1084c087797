"""SIGTERM in the middle of many requests: none is lost. `scripts/shutdown-under-load` counts for longer."""

from __future__ import annotations

from pathlib import Path

import pytest
import trustme

from tests.served.shutdown_under_load import run_once

ASYNCIO = ", loop=__import__('asyncio').new_event_loop()"


@pytest.mark.parametrize("keep_alive", [True, False])
@pytest.mark.parametrize(
    ("server", "workers", "options"),
    [("run_app", 1, ""), ("run_app", 1, ASYNCIO), ("run_app", 2, ""), ("runner", 1, "")],
)
async def test_no_request_is_lost(server: str, workers: int, options: str, keep_alive: bool) -> None:
    result = await run_once(server, keep_alive=keep_alive, workers=workers, options=options, enough=300)
    assert (result.cut, result.dropped, result.exit_code) == (0, 0, 0), (result.notes, result.stderr)
    assert result.answered >= 300
    assert result.stderr == ""


async def test_no_request_is_lost_over_tls(tmp_path: Path) -> None:
    certificate = trustme.CA().issue_cert("127.0.0.1")
    paths = tmp_path / "cert.pem", tmp_path / "key.pem"
    certificate.cert_chain_pems[0].write_to_path(str(paths[0]))
    certificate.private_key_pem.write_to_path(str(paths[1]))
    result = await run_once("run_app", certificate=paths, enough=300)
    assert (result.cut, result.dropped, result.exit_code) == (0, 0, 0), (result.notes, result.stderr)


async def test_no_request_is_lost_when_every_process_gets_the_signal() -> None:
    """systemd's KillMode=control-group."""
    result = await run_once("run_app", keep_alive=False, workers=2, enough=300, group=True)
    assert (result.cut, result.dropped, result.exit_code) == (0, 0, 0), (result.notes, result.stderr)

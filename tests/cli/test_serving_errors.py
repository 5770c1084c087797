"""Errors of run_app in words of the command line."""

from __future__ import annotations

import errno
import socket

import pytest

from framework.cli.serving_errors import explain
from framework.serving.import_strings import ImportStringError


def bind_error(number: int, host: str = "127.0.0.1", port: int = 8080) -> OSError:
    return OSError(number, f"error while attempting to bind on address ('{host}', {port}): whatever")


@pytest.mark.parametrize(
    ("exc", "start"),
    [
        (bind_error(errno.EADDRINUSE), "port 8080 of 127.0.0.1 is in use; choose another with -P, or see who has it: "),
        (bind_error(errno.EACCES, port=80), "port 80 is for privileged programs; choose one from 1024 on with -P"),
        (bind_error(errno.EPERM, "::", 443), "port 443 is for privileged programs; choose one from 1024 on with -P"),
        (bind_error(errno.EADDRNOTAVAIL, "192.0.2.1"), "192.0.2.1 is no address of this machine; -H 0.0.0.0 listens"),
        (bind_error(errno.EINVAL), "error while attempting to bind on address ('127.0.0.1', 8080): whatever"),
        (socket.gaierror(-2, "Name or service not known"), "a, b: Name or service not known; -H takes a name"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "x.pem"), "x.pem: No such file or directory"),
        (ImportStringError("write it so"), "write it so"),
        (ImportError("pip install it"), "pip install it"),
    ],
)
def test_explanations(exc: Exception, start: str) -> None:
    reason = explain(exc, ["a", "b"], None)
    assert reason is not None
    assert reason.startswith(start)


def test_an_error_that_names_no_unix_path() -> None:
    reason = explain(FileNotFoundError(errno.ENOENT, "No such file or directory"), None, ["/none/app.sock"])
    assert reason == "cannot listen at /none/app.sock: No such file or directory"


def test_a_riddle() -> None:
    assert explain(KeyError("x"), None, None) is None


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_who_has_the_port(monkeypatch: pytest.MonkeyPatch, platform: str) -> None:
    monkeypatch.setattr("sys.platform", platform)
    reason = explain(bind_error(errno.EADDRINUSE), "127.0.0.1", None)
    assert reason is not None
    command = reason.rpartition(": ")[2] if platform != "linux" else "ss -ltnp sport = :8080"
    assert ":8080" in command
    assert command in reason

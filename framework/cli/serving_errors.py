"""Why serving has failed, in words of the command line."""

from __future__ import annotations

import errno
import re
import socket
import sys
from typing import TYPE_CHECKING

from framework.serving.import_strings import ImportStringError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["explain"]

# The message of `framework.serving.sites.bind_tcp`.
_BIND_ERROR = re.compile(r"bind on address \('(?P<host>[^']*)', (?P<port>[0-9]+)")


def explain(exc: Exception, host: str | Sequence[str] | None, path: str | Sequence[str] | None) -> str | None:
    """What an exception of `run_app` means to who has typed the command; None for one that is a riddle here, too.

    Args:
        exc: what was raised, not by the program.
        host: the names and addresses that it was to listen at.
        path: the Unix sockets.
    """
    if isinstance(exc, ImportStringError | ImportError | ValueError):
        return str(exc)
    if isinstance(exc, socket.gaierror):
        return f"{_listed(host)}: {exc.strerror}; -H takes a name or an address of this machine"
    if not isinstance(exc, OSError):
        return None
    reason = exc.strerror or str(exc)
    if exc.filename is not None:
        return f"{exc.filename}: {reason}"
    if (address := _BIND_ERROR.search(reason)) is not None:
        return _explain_address(exc, address["host"], int(address["port"]), reason)
    if path is not None:
        # What is wrong with a host says so.
        return f"cannot listen at {_listed(path)}: {reason}"
    return reason


def _explain_address(exc: OSError, host: str, port: int, reason: str) -> str:
    if exc.errno == errno.EADDRINUSE:
        return f"port {port} of {host} is in use; choose another with -P, or see who has it: {_find_listener(port)}"
    if exc.errno in {errno.EACCES, errno.EPERM}:
        return (
            f"port {port} is for privileged programs; choose one from 1024 on with -P, "
            f"and have the system or a proxy pass on what comes to {port}"
        )
    if exc.errno == errno.EADDRNOTAVAIL:
        return f"{host} is no address of this machine; -H 0.0.0.0 listens at all that it has"
    return reason


def _find_listener(port: int) -> str:
    if sys.platform == "win32":
        return f"netstat -ano | findstr :{port}"
    if sys.platform == "linux":
        return f"ss -ltnp sport = :{port}"
    return f"lsof -i :{port}"


def _listed(names: str | Sequence[str] | None) -> str:
    if names is None or isinstance(names, str):
        return names or "all interfaces"
    return ", ".join(names)

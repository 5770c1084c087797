"""What a command cannot do, and how that is said."""

from __future__ import annotations

import sys

from framework.cli.terminal import Terminal

__all__ = ["CommandError", "say_error"]


class CommandError(Exception):
    """A command cannot do what it was asked for. The message is for the user, and names the fix.

    Args:
        message: a line or two, without an end.
        code: what the process exits with: 2 for what the command line says, 1 for what came of it.
    """

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


def say_error(message: str, command: str = "framework") -> None:
    """Write ``message`` to stderr."""
    label = Terminal(sys.stderr).paint("error:", "bold", "red")
    print(f"{command}: {label} {message}", file=sys.stderr)  # noqa: T201

"""`framework` and `python -m framework`: which command, and what the process exits with."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from typing import TYPE_CHECKING

from framework import __version__
from framework.cli import new, routes, run
from framework.cli.failures import CommandError, say_error
from framework.serving.program_errors import show_exception

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

_EPILOG = """\
examples:
  framework new hello                     write a small project, with tests
  framework run hello:app --reload        serve it while you work on it
  framework routes hello:app              what it answers, and where that is written

framework COMMAND --help says more.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: those after the program's name; None for `sys.argv`.

    Returns:
        What to exit with: 0, or 1 where the command has failed, or 2 for a command line that cannot be meant.

    Raises SystemExit as argparse does, and as the program does that is served.
    """
    options = _parser().parse_args(arguments)
    name = f"framework {options.name}"
    # Modules are looked for where the command runs, as `python -m` does.
    folder = os.getcwd()  # noqa: PTH109
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        code: int = options.command(options)
    except CommandError as exc:
        say_error(str(exc), name)
        return exc.code
    except KeyboardInterrupt:
        # By convention of shells, 128 and the number of the signal.
        return 130
    except BrokenPipeError:
        # Who reads has seen enough, as in `framework routes | head`. Nothing is left for the interpreter to flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as exc:
        show_exception(exc)
        return 1
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="framework",
        description="aiohttp.web's API on any ASGI server: start projects, look at them, serve them.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    version = f"framework {__version__} (Python {platform.python_version()})"
    parser.add_argument("--version", action="version", version=version)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="name", required=True)
    for command in (run, routes, new):
        command.add_arguments(commands)
    return parser

"""`python -m framework.web module:function`: the command line of `aiohttp.web`."""

from __future__ import annotations

import argparse
import logging
import socket
import sys
from typing import TYPE_CHECKING, Any, NoReturn

from framework.applications import Application
from framework.cli.arguments import port
from framework.cli.failures import say_error
from framework.cli.serving_errors import explain
from framework.serving.import_strings import ImportStringError, import_attribute, made_by
from framework.serving.program_errors import is_of_program, show_exception
from framework.serving.run import run_app

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

_PROGRAM = "framework.web"


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Serve what ``function`` makes of the arguments that are not this command's own, until Ctrl+C.

    Exits with 0 after Ctrl+C, with 2 for a command line that cannot be meant, and with 1 where serving fails.

    Args:
        arguments: those after the program's name; None for `sys.argv`.
    """
    parser = _parser()
    options, rest = parser.parse_known_args(arguments)
    # As aiohttp's: what the program logs is seen without a line of logging configuration.
    logging.basicConfig(level=logging.DEBUG)
    function = _import(parser, options.entry_func)
    if options.path is not None and not hasattr(socket, "AF_UNIX"):
        parser.error("this system has no Unix sockets: leave out -U, and serve on -H and -P")
    host = options.hostname
    if host is None and options.path is None:
        host = "localhost"
    try:
        if not callable(function) or isinstance(function, Application):
            say_error(
                f'"{options.entry_func}" must be a function that takes a list of arguments and makes a '
                f"web.Application; framework run serves an application as it is",
                _PROGRAM,
            )
            sys.exit(1)
        # Only a host is listened at beside a path, in aiohttp.
        app = made_by(function(rest), f'"{options.entry_func}"')
        run_app(app, host=host, port=None if host is None else options.port, path=options.path)
    except Exception as exc:
        if is_of_program(exc) or (reason := explain(exc, host, options.path)) is None:
            show_exception(exc)
        else:
            say_error(reason, _PROGRAM)
        sys.exit(1)
    parser.exit(message="Stopped\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=_PROGRAM,
        description="Serve the application that a function makes. It is called with a list of the arguments that are "
        "not named here.",
    )
    parser.add_argument(
        "entry_func",
        metavar="entry-func",
        help="the function, as module:function; it makes a web.Application, or is a coroutine function that does",
    )
    parser.add_argument("-H", "--hostname", help="name or address to listen at (default: localhost)")
    parser.add_argument("-P", "--port", type=port, default=8080, help="TCP port (default: 8080); 0 for a free one")
    parser.add_argument("-U", "--path", help="Unix socket to listen at; with -H as well, at both")
    return parser


def _import(parser: argparse.ArgumentParser, name: str) -> Any:
    module, _, function = name.partition(":")
    if not module or not function:
        parser.error(f"'{name}' is not in the form 'module:function'")
    try:
        return import_attribute(name)
    except ImportStringError as exc:
        parser.error(str(exc))
    except ImportError as exc:
        show_exception(exc)
        parser.error(f"unable to import {module}: {exc}")
    except Exception as exc:
        show_exception(exc)
        sys.exit(1)

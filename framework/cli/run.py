"""`framework run`: serve an application by its name."""

from __future__ import annotations

import argparse
import functools
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

from framework.cli.arguments import import_string, port, seconds, workers
from framework.cli.failures import CommandError
from framework.cli.serving_errors import explain
from framework.serving.import_strings import DEFAULT_NAMES
from framework.serving.program_errors import is_of_program
from framework.serving.servers import SERVERS

if TYPE_CHECKING:
    from framework.serving.access_loggers import AbstractAccessLogger

__all__ = ["add_arguments", "add_target", "configured_target", "run"]

_EPILOG = """\
examples:
  framework run hello:app
  framework run --reload                  the app that pyproject.toml names
  framework run hello --workers 4 -H 0.0.0.0 -P 80
  framework run hello:make_app -U /run/hello.sock
  framework run hello:app --http2 --ssl-certfile cert.pem --ssl-keyfile key.pem
"""


def add_arguments(commands: Any) -> None:
    """Add the command to those of ``commands``, argparse's."""
    parser = commands.add_parser(
        "run",
        usage="%(prog)s [options] [MODULE:APP]",
        help="serve an application",
        description="Serve an application until Ctrl+C.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(command=run)
    add_target(parser)
    where = parser.add_argument_group("where")
    where.add_argument(
        "-H",
        "--host",
        action="append",
        help="name or address to listen at; may be repeated (default: localhost, unless there is only -U). "
        "0.0.0.0 is every IPv4 address of the machine",
    )
    where.add_argument(
        "-P", "--port", type=port, help="TCP port (default: 8080, with a certificate 8443); 0 for a free one"
    )
    where.add_argument("-U", "--path", action="append", help="Unix socket to listen at; may be repeated")
    how = parser.add_argument_group("how")
    how.add_argument("--reload", action="store_true", help="start anew when a source file changes; includes --debug")
    how.add_argument("--debug", action="store_true", help="show tracebacks to clients; not for the public")
    how.add_argument("--workers", type=workers, default=1, metavar="N", help="processes that serve (default: 1)")
    how.add_argument("--server", choices=SERVERS, default=SERVERS[0], help="default: uvicorn")
    how.add_argument("--http2", action="store_true", help="speak HTTP/2 as well as HTTP/1.1")
    how.add_argument(
        "--shutdown-timeout",
        type=seconds,
        default=60.0,
        metavar="SECONDS",
        help="how long requests may take to end after Ctrl+C or SIGTERM (default: 60)",
    )
    tls = parser.add_argument_group("TLS")
    tls.add_argument("--ssl-certfile", metavar="FILE", help="certificate, and the chain to its root, in PEM")
    tls.add_argument("--ssl-keyfile", metavar="FILE", help="its private key (default: in the same file)")
    tls.add_argument(
        "--ssl-keyfile-password",
        metavar="PASSWORD",
        help="of an encrypted key; other users of this machine can read it while the command runs",
    )
    log = parser.add_argument_group("log")
    log.add_argument(
        "--access-log",
        choices=("text", "json"),
        default="text",
        help="how the line of each request is written (default: text). It goes to the logger framework.access, and "
        "to stderr where the program has set up no logging",
    )
    log.add_argument("--no-access-log", action="store_true", help="write none, which is faster")


def add_target(parser: argparse.ArgumentParser) -> None:
    """The argument that names an application."""
    *others, last = (f"{name}()" if name != "app" else name for name in DEFAULT_NAMES)
    parser.add_argument(
        "target",
        metavar="MODULE:APP",
        nargs="?",
        type=import_string,
        help="an application, or a function that makes one, async or not. MODULE alone stands for the first it has "
        f"of {', '.join(others)} and {last}. Left out, it is what pyproject.toml says: [tool.framework] "
        'app = "module:app"',
    )


def configured_target() -> str:
    """What the `pyproject.toml` of the working directory names as the application.

    Raises CommandError where it names none.
    """
    import tomllib

    file = Path("pyproject.toml")
    try:
        with file.open("rb") as opened:
            target = tomllib.load(opened)["tool"]["framework"]["app"]
    except (FileNotFoundError, KeyError):
        raise CommandError(
            'which application? Write its name, as in "hello:app", or put it into pyproject.toml: '
            '[tool.framework] app = "hello:app"',
            2,
        ) from None
    except (tomllib.TOMLDecodeError, TypeError) as exc:
        raise CommandError(f"pyproject.toml cannot be read: {exc}", 2) from None
    if not isinstance(target, str):
        raise CommandError(f'[tool.framework] app in pyproject.toml must be a string, "hello:app", not {target!r}', 2)
    try:
        return import_string(target)
    except argparse.ArgumentTypeError as exc:
        raise CommandError(f"[tool.framework] app in pyproject.toml: {exc}", 2) from None


def run(options: argparse.Namespace) -> int:
    """Serve until Ctrl+C or SIGTERM, and give the exit code.

    Raises CommandError where it cannot, and what the program itself raises.
    """
    target = options.target or configured_target()
    if options.reload and options.workers > 1:
        raise CommandError("--reload is for one process: leave out --workers", 2)
    if options.ssl_certfile is None and (options.ssl_keyfile or options.ssl_keyfile_password):
        raise CommandError("--ssl-keyfile goes with --ssl-certfile, which is missing", 2)
    if options.path and not hasattr(socket, "AF_UNIX"):
        raise CommandError("this system has no Unix sockets: leave out -U, and serve on -H and -P", 2)
    host = options.host
    if host is None and (options.path is None or options.port is not None):
        host = ["localhost"]
    # What takes a while to import is imported when the command line is known to be right.
    from framework.serving.access_loggers import access_logger
    from framework.serving.run import run_app

    try:
        run_app(
            target,
            host=host,
            port=options.port,
            path=options.path,
            workers=options.workers,
            reload=options.reload,
            http2=options.http2,
            server=options.server,
            ssl_certfile=options.ssl_certfile,
            ssl_keyfile=options.ssl_keyfile,
            ssl_keyfile_password=options.ssl_keyfile_password,
            debug=True if options.debug else None,
            shutdown_timeout=options.shutdown_timeout,
            access_log=None if options.no_access_log else access_logger,
            access_log_class=_access_log_class(options.access_log),
            # In a file or a pipe, too, at once: who starts a service waits for this line.
            print=functools.partial(print, flush=True),
        )
    except Exception as exc:
        reason = None if is_of_program(exc) else explain(exc, host, options.path)
        if reason is None:
            raise
        raise CommandError(reason) from exc
    return 0


def _access_log_class(kind: str) -> type[AbstractAccessLogger]:
    from framework.cli.log_lines import StderrAccessLogger, StderrJSONAccessLogger

    return StderrJSONAccessLogger if kind == "json" else StderrAccessLogger

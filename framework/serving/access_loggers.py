"""aiohttp's access loggers: what a line says, in which format, and how it gets to a `logging.Logger`.

    127.0.0.1 [21/Nov/2026:01:56:12 +0000] "GET /a?b=1 HTTP/1.1" 200 182 "https://referer.example/" "curl/8.5"

What a client chose (request line, headers) is written with its control characters, quotes and backslashes escaped, so
that no request can forge a line or move a terminal's cursor.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from framework.sansio.log_format import Atom, escape_text, parse_log_format

if TYPE_CHECKING:
    from framework.typedefs import Scope

__all__ = [
    "AbstractAccessLogger",
    "AccessLogger",
    "access_logger",
    "emit",
    "find_header",
    "request_target",
]

access_logger = logging.getLogger("framework.access")

#: Longer headers are looked at each time, so that what is kept of clients stays small; in bytes.
_CACHED_SIZE: Final = 256

_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class AbstractAccessLogger(ABC):
    """What ``access_log_class`` is derived from.

    Args:
        logger: where the lines go.
        log_format: the ``access_log_format``, for the class to make of it what it likes.
    """

    def __init__(self, logger: logging.Logger, log_format: str) -> None:
        self.logger = logger
        self.log_format = log_format

    @abstractmethod
    def log(self, request: Any, response: Any, time: float) -> Any:
        """Log one request; called when it has ended, a WebSocket when it was closed. It may be a coroutine function.

        Args:
            request: the `Request` as the application's first middleware got it, with what was put into it since. Where
                no `Application` has seen the request, because something around it answered, one made of the scope,
                without a match.
            response: what was sent: `status`, `headers`, `body_length` in bytes. A `StreamResponse` that has these
                from the messages to the server where their status is not that of the handler's own. (What an ASGI
                middleware does to headers and body alone is not seen.) 499 stands for a connection that ended before
                there was an answer.
            time: how long the handler and the sending took, in seconds.

        What it raises is logged to ``framework.server``, and does the request no harm.
        """

    @property
    def enabled(self) -> bool:
        """Whether requests are to be logged; asked when one begins, so that logging can be set up at any time."""
        return True

    def content_with_sent(self) -> bool:
        """Whether `log` reads only what `Sent` has, so that it can be given that for request and response.

        PERF: to get at the handler's own costs 3.4 µs a request.
        """
        return False


class AccessLogger(AbstractAccessLogger):
    """Writes a line for each request.

    Args:
        logger: gets the lines, at level INFO, with their values as attributes of the record; below in parentheses.
        log_format: text with atoms:

            ==========  ==================================================================
            ``%%``      a percent sign
            ``%a``      the client's address (`remote_address`)
            ``%t``      when the request began, in local time (`request_start_time`)
            ``%P``      the process, ``<4711>`` (`process_id`)
            ``%r``      the request line (`first_request_line`)
            ``%s``      the status (`response_status`)
            ``%b``      bytes of the response's body (`response_size`)
            ``%T``      whole seconds that it took (`request_time`)
            ``%Tf``     seconds, with six digits behind the point (`request_time_frac`)
            ``%D``      microseconds (`request_time_micro`)
            ``%{X}i``   the request's header X (`request_header`, a mapping by names)
            ``%{X}o``   the response's header X (`response_header`, likewise)
            ==========  ==================================================================

            What is not there is a ``-``.

    Raises KeyError for ``%{X}e``, as in aiohttp.

    A subclass may override `log`.
    """

    LOG_FORMAT = '%a %t "%r" %s %b "%{Referer}i" "%{User-Agent}i"'

    def __init__(self, logger: logging.Logger, log_format: str = LOG_FORMAT) -> None:
        super().__init__(logger, log_format)
        self._template, atoms = parse_log_format(log_format)
        self._getters = [_getter(atom) for atom in atoms]
        self._keys = [atom.key for atom in atoms]
        #: The places of the headers among the atoms, by the attribute that has them and by their names.
        self._headers: dict[str, dict[str, int]] = {}
        for place, atom in enumerate(atoms):
            if atom.header:
                self._headers.setdefault(atom.key, {})[atom.header] = place

    @property
    def enabled(self) -> bool:
        """Whether a line would get anywhere: whether the logger is enabled for INFO."""
        return self.logger.isEnabledFor(logging.INFO)

    def log(self, request: Any, response: Any, time: float) -> None:
        """Write the line of one request; the parameters are those of `AbstractAccessLogger.log`."""
        values = tuple([get(request, response, time) for get in self._getters])
        attributes: dict[str, Any] = dict(zip(self._keys, values))  # noqa: B905 - as many as keys
        for key, places in self._headers.items():
            attributes[key] = {header: values[place] for header, place in places.items()}
        emit(self.logger, self._template % values, attributes)

    def content_with_sent(self) -> bool:
        """False for a subclass that overrides `log`."""
        return type(self).log is AccessLogger.log


def emit(logger: logging.Logger, line: str, attributes: dict[str, Any]) -> None:
    """Give ``line`` to ``logger`` at level INFO, with ``attributes`` on the record."""
    if not isinstance(logger, logging.Logger):
        logger.info(line, extra=attributes)
    elif type(logger) is not logging.Logger or logging.getLogRecordFactory() is not logging.LogRecord:
        # Not `logger.info`, which looks up the stack for the file and the line, which are always these.
        record = logger.makeRecord(logger.name, logging.INFO, __file__, 0, line, (), None, "log")
        vars(record).update(attributes)
        logger.handle(record)
    else:
        logger.handle(_records.make(logger.name, line, attributes))


class _Records:
    """Makes records as `logging.Logger.makeRecord` does.

    PERF: what is the same for all of them, as long as process and thread are, is copied: 0.8 µs instead of 2.4, and in
    a server under load, where nothing is at hand in the processor's caches, 4 of 25.
    """

    def __init__(self) -> None:
        self._same: dict[str, Any] = {"process": None}
        self._loaded = 0.0

    def make(self, name: str, line: str, attributes: dict[str, Any]) -> logging.LogRecord:
        same = self._same
        if same["process"] != os.getpid() or same["thread"] != threading.get_ident():
            first = logging.LogRecord("", logging.INFO, __file__, 0, "", (), None, "log")
            same = self._same = vars(first)
            self._loaded = first.created - first.relativeCreated / 1000
        now = time.time()
        state = same.copy()
        state["name"] = name
        state["msg"] = line
        state["created"] = now
        state["msecs"] = float(int(now % 1 * 1000))
        state["relativeCreated"] = (now - self._loaded) * 1000
        if "taskName" in state:
            # From Python 3.12 on.
            task = asyncio.current_task()
            state["taskName"] = None if task is None else task.get_name()
        state.update(attributes)
        record = object.__new__(logging.LogRecord)
        record.__dict__ = state
        return record


_records = _Records()

_Getter = Callable[[Any, Any, float], Any]


def _remote_address(request: Any, response: Any, time: float) -> str:
    client = request.scope.get("client")
    return escape_text(str(client[0])) if client else "-"


class _StartTime:
    """When a request began, as the Common Log Format has it.

    PERF: the second that was written last is kept: 2 µs for each other line of that second.
    """

    def __init__(self) -> None:
        self._last = (0, "")

    def __call__(self, request: Any, response: Any, seconds: float) -> str:
        begun = int(time.time() - seconds)
        second, text = self._last
        if second != begun:
            local = time.localtime(begun)
            # Not by %b: its month is the locale's.
            month = _MONTHS[local.tm_mon - 1]
            text = time.strftime(f"[%d/{month}/%Y:%H:%M:%S %z]", local)
            self._last = (begun, text)
        return text


def _process_id(request: Any, response: Any, time: float) -> str:
    return f"<{os.getpid()}>"


def _first_request_line(request: Any, response: Any, time: float) -> str:
    scope = request.scope
    target = request_target(scope)
    if query := scope.get("query_string"):
        target = f"{target}?{query.decode('utf-8', 'surrogateescape')}"
    return escape_text(f"{scope.get('method', 'GET')} {target} HTTP/{scope.get('http_version', '1.1')}")


def request_target(scope: Scope, errors: str = "surrogateescape") -> str:
    """The path as the client sent it; `errors` is for octets that are no UTF-8."""
    raw_path: bytes | None = scope.get("raw_path")
    return quote(scope["path"], errors="replace") if raw_path is None else raw_path.decode("utf-8", errors)


def _response_status(request: Any, response: Any, time: float) -> int:
    status: int = response.status
    return status


def _response_size(request: Any, response: Any, time: float) -> int:
    size: int = response.body_length
    return size


def _request_time(request: Any, response: Any, time: float) -> str:
    return str(round(time))


def _request_time_frac(request: Any, response: Any, time: float) -> str:
    return f"{time:06f}"


def _request_time_micro(request: Any, response: Any, time: float) -> str:
    return str(round(time * 1000000))


_GETTERS: Final[dict[str, _Getter]] = {
    "a": _remote_address,
    "t": _StartTime(),
    "P": _process_id,
    "r": _first_request_line,
    "s": _response_status,
    "b": _response_size,
    "T": _request_time,
    "Tf": _request_time_frac,
    "D": _request_time_micro,
}


def _getter(atom: Atom) -> _Getter:
    match atom.letters:
        case "i":
            return _request_header(atom.header)
        case "o":
            return _response_header(atom.header)
        case letters:
            return _GETTERS[letters]


def _request_header(header: str) -> _Getter:
    name = header.lower().encode("ascii")

    def get(request: Any, response: Any, time: float) -> str:
        value = find_header(request.scope, name)
        if value is None:
            return "-"
        return _shown(value) if len(value) <= _CACHED_SIZE else escape_text(value.decode("utf-8", "surrogateescape"))

    return get


@lru_cache(maxsize=256)
def _shown(value: bytes) -> str:
    """A header as a line shows it.

    PERF: clients come back, and say the same of themselves: 0.1 µs instead of 0.4. 256 short ones take 100 KiB.
    """
    return escape_text(value.decode("utf-8", "surrogateescape"))


def find_header(scope: Scope, name: bytes) -> bytes | None:
    """The first request header called ``name``, in lower case."""
    for each in scope["headers"]:
        if each[0] == name:
            value: bytes = each[1]
            return value
    return None


def _response_header(header: str) -> _Getter:
    def get(request: Any, response: Any, time: float) -> str:
        return escape_text(response.headers.get(header, "-"))

    return get

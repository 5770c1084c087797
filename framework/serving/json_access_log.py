"""`JSONAccessLogger`: an access log of one JSON object a line."""

from __future__ import annotations

import json
import logging
import time
from typing import Any

import msgspec

from framework.request_ids import request_id_of
from framework.sansio.log_format import escape_json
from framework.serving.access_loggers import AbstractAccessLogger, AccessLogger, emit, find_header, request_target

__all__ = ["JSONAccessLogger"]

_encoder = msgspec.json.Encoder(enc_hook=str)


class JSONAccessLogger(AbstractAccessLogger):
    """Writes a JSON object for each request; for ``access_log_class``.

    Args:
        logger: gets the lines, at level INFO. The object is also the attribute `access` of the record. A handler whose
            formatter is ``logging.Formatter("%(message)s")`` writes nothing else.
        log_format: only the default. ValueError for another: the object has fields, see `fields`.

    Everything in the line is printable: controls, line separators and marks of direction are escaped (``\\u001b``).
    """

    def __init__(self, logger: logging.Logger, log_format: str = AccessLogger.LOG_FORMAT) -> None:
        if log_format != AccessLogger.LOG_FORMAT:
            raise ValueError(
                f"JSONAccessLogger has no use for access_log_format={log_format!r}: "
                "override its fields(request, response, time) to change what it writes"
            )
        super().__init__(logger, log_format)

    @property
    def enabled(self) -> bool:
        """Whether a line would get anywhere: whether the logger is enabled for INFO."""
        return self.logger.isEnabledFor(logging.INFO)

    def log(self, request: Any, response: Any, time: float) -> None:
        """Write the line of one request; the parameters are those of `AbstractAccessLogger.log`."""
        fields = self.fields(request, response, time)
        emit(self.logger, _dumps(fields), {"access": fields})

    def content_with_sent(self) -> bool:
        """Whether `log` needs nothing but what the messages to the server say."""
        return type(self).log is JSONAccessLogger.log and type(self).fields is JSONAccessLogger.fields

    def fields(self, request: Any, response: Any, time: float) -> dict[str, Any]:
        """What the line says; to be extended by subclasses: ``super().fields(request, response, time) | {…}``.

        ==============  ======================================================================
        ``time``        when the request began, ISO 8601 in UTC: ``2026-11-21T07:50:52.123Z``
        ``request_id``  where `request_id_middleware` has given it one; else left out
        ``remote``      the client's address
        ``method``      ``GET``; also for a WebSocket
        ``path``        as the client sent it, percent-encoded, without the query
        ``query``       likewise, without the question mark; may be empty
        ``protocol``    ``HTTP/1.1``
        ``host``        the Host header
        ``route``       the path of the route, ``/users/{id}``
        ``status``      of the response; 101 for a WebSocket, 499 where there was no answer
        ``bytes``       of the response's body
        ``duration``    of the handler and the sending, in seconds
        ``referer``     the Referer header
        ``user_agent``  the User-Agent header
        ==============  ======================================================================

        What is not there is null. In a subclass values may be whatever msgspec encodes; of others, the ``str()``.
        """
        scope = request.scope
        client = scope.get("client")
        fields: dict[str, Any] = {"time": _start_time(time)}
        request_id = request_id_of(scope)
        if request_id is not None:
            fields["request_id"] = request_id
        fields["remote"] = str(client[0]) if client else None
        fields["method"] = scope.get("method", "GET")
        fields["path"] = request_target(scope, "backslashreplace")
        fields["query"] = scope.get("query_string", b"").decode("utf-8", "backslashreplace")
        fields["protocol"] = f"HTTP/{scope.get('http_version', '1.1')}"
        fields["host"] = _header(scope, b"host")
        fields["route"] = getattr(scope.get("route"), "path", None)
        fields["status"] = response.status
        fields["bytes"] = response.body_length
        fields["duration"] = round(time, 6)
        fields["referer"] = _header(scope, b"referer")
        fields["user_agent"] = _header(scope, b"user-agent")
        return fields


def _header(scope: Any, name: bytes) -> str | None:
    value = find_header(scope, name)
    return None if value is None else value.decode("utf-8", "backslashreplace")


def _start_time(seconds: float) -> str:
    begun = time.time() - seconds
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(begun))}.{int(begun % 1 * 1000):03d}Z"


def _dumps(fields: dict[str, Any]) -> str:
    try:
        text = _encoder.encode(fields).decode()
    except UnicodeEncodeError:
        # Surrogates, in what a subclass has added: octets of a client that are no UTF-8.
        text = json.dumps(fields, default=str)
    return escape_json(text)

"""The access log: one line for each request, in aiohttp's default format.

    127.0.0.1 [21/Nov/2026:01:56:12 +0000] "GET /a?b=1 HTTP/1.1" 200 182 "https://referer.example/" "curl/8.5"

What a client chose (request line, Referer, User-Agent) is written with its control characters, quotes and backslashes
escaped, so that no request can forge a line or move a terminal's cursor.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from framework.typedefs import ASGIApp, Message, Receive, Scope, Send

__all__ = ["AccessLogger", "access_logger"]

access_logger = logging.getLogger("framework.access")

# C0 controls, DEL and C1 controls (ISO 6429), and what delimits a field of the line.
_ESCAPES = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))} | {
    ord('"'): '\\"',
    ord("\\"): "\\\\",
}


class AccessLogger:
    """Writes a line for each request that an ASGI application answers.

    Args:
        logger: gets the lines, at level INFO, with the values of the line as attributes of the record:
            `remote_address`, `request_start_time`, `first_request_line`, `response_status`, `response_size`,
            `request_header`.
        log_format: only the default, `LOG_FORMAT`.

    The size is that of the body in bytes, as the Common Log Format has it (aiohttp counts the headers too, which only
    the ASGI server knows).
    """

    LOG_FORMAT = '%a %t "%r" %s %b "%{Referer}i" "%{User-Agent}i"'

    def __init__(self, logger: logging.Logger, log_format: str = LOG_FORMAT) -> None:
        if log_format != self.LOG_FORMAT:
            raise ValueError(f"access_log_format can only be {self.LOG_FORMAT!r}, got {log_format!r}")
        self.logger = logger

    @property
    def enabled(self) -> bool:
        """Whether a line would get anywhere; asked for each request, so that logging can be set up at any time."""
        return self.logger.isEnabledFor(logging.INFO)

    async def run(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Run `app` for one request, and log the request when it has ended."""
        started = time.time()
        status = 0
        size = 0

        async def observed(message: Message) -> None:
            nonlocal status, size
            kind = message["type"]
            await send(message)
            if kind == "http.response.body" or kind == "websocket.http.response.body":
                size += len(message.get("body", b""))
            elif kind == "http.response.start" or kind == "websocket.http.response.start":
                status = message["status"]
            elif kind == "websocket.accept":
                status = 101
            elif kind == "websocket.close" and not status:
                # ASGI, "WebSocket Close": before the accept, it makes the server answer 403.
                status = 403

        try:
            await app(scope, receive, observed)
        except Exception:
            # Without a response to show for it, the server answers 500.
            self.log(scope, status or 500, size, started)
            raise
        if status:
            if scope.get("method") == "HEAD":
                size = 0
            self.log(scope, status, size, started)

    def log(self, scope: Scope, status: int, size: int, started: float) -> None:
        """Write the line of one request.

        Args:
            scope: the request, ASGI's `http` or `websocket` scope.
            status: the response's, 101 for an accepted websocket.
            size: bytes of the response's body.
            started: when the request arrived, in seconds since the epoch.
        """
        client = scope.get("client")
        address = str(client[0]) if client else "-"
        begun = time.strftime("[%d/%b/%Y:%H:%M:%S +0000]", time.gmtime(started))
        request_line = _request_line(scope)
        referer, user_agent = _header(scope, b"referer"), _header(scope, b"user-agent")
        self.logger.info(
            '%s %s "%s" %s %s "%s" "%s"',
            address,
            begun,
            request_line,
            status,
            size,
            referer,
            user_agent,
            extra={
                "remote_address": address,
                "request_start_time": begun,
                "first_request_line": request_line,
                "response_status": status,
                "response_size": size,
                "request_header": {"Referer": referer, "User-Agent": user_agent},
            },
        )


def _request_line(scope: Scope) -> str:
    raw_path = scope.get("raw_path")
    target = raw_path.decode("latin-1") if raw_path else quote(scope["path"])
    if query := scope.get("query_string"):
        target = f"{target}?{query.decode('latin-1')}"
    return f"{scope.get('method', 'GET')} {target} HTTP/{scope.get('http_version', '1.1')}".translate(_ESCAPES)


def _header(scope: Scope, name: bytes) -> str:
    for key, value in scope["headers"]:
        if key == name:
            text: str = value.decode("latin-1")
            return text.translate(_ESCAPES)
    return "-"

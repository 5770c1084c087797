"""What the ASGI specification lets an application send, and when.

https://asgi.readthedocs.io/en/latest/specs/main.html and www.html. Every violation is an AssertionError whose text
says what was sent and what the rule is.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from framework.typedefs import Message, Scope

__all__ = ("MessageChecker",)

_TRAILERS: Final = "http.response.trailers"

#: Extensions whose message stands for (a piece of) the body.
_BODY_EXTENSIONS: Final = frozenset({"http.response.pathsend", "http.response.zerocopysend"})

#: What may come before and between the messages of a response, where the scope offers it.
_SIDE_EXTENSIONS: Final = frozenset({"http.response.early_hint", "http.response.push", "http.response.debug"})

_LIFESPAN: Final = frozenset(
    f"lifespan.{part}.{end}" for part in ("startup", "shutdown") for end in ("complete", "failed")
)


class MessageChecker:
    """Follows one conversation, and refuses what an application may not send at its point.

    Args:
        scope: what the application was called with.
        strict: refuse also what every server puts right by itself: names of headers in capitals, whitespace around
            names and values.
    """

    def __init__(self, scope: Scope, *, strict: bool = True) -> None:
        self._kind: str = scope["type"]
        self._extensions = scope.get("extensions") or {}
        self._strict = strict
        self._trailers_announced = False
        self._closed = False
        #: Whether the response has begun, or the WebSocket was accepted.
        self.started = False
        #: Whether the body of the response was sent to its end.
        self.body_ended = False
        #: Whether nothing more may be sent.
        self.ended = False

    def check(self, message: Message) -> None:
        """Take note of a message; AssertionError for one that may not be sent."""
        if self._kind == "lifespan":
            self._check_lifespan(message)
        elif self._kind == "websocket" and not message["type"].startswith("websocket.http."):
            self._check_websocket(message)
        else:
            self._check_http(message, "http" if self._kind == "http" else "websocket.http")

    def _check_lifespan(self, message: Message) -> None:
        kind = message["type"]
        _require(kind in _LIFESPAN, f"{kind!r} was sent in a lifespan, which knows only {sorted(_LIFESPAN)}")
        text = message.get("message", "")
        _require(isinstance(text, str), f"the message of {kind} must be str, not {text!r}")

    def _check_http(self, message: Message, prefix: str) -> None:
        kind = message["type"]
        _require(not self.ended, f"{kind!r} was sent after the end of the response")
        if kind in _SIDE_EXTENSIONS:
            self._check_offered(kind)
            return
        if not self.started:
            if prefix == "websocket.http":
                self._check_offered("websocket.http.response")
            start = f"{prefix}.response.start"
            _require(kind == start, f"{kind!r} was sent before {start!r}")
            status = message["status"]
            _require(type(status) is int, f"the status must be int, not {status!r}")
            self._check_headers(message.get("headers", ()))
            self._trailers_announced = bool(message.get("trailers", False))
            self.started = True
        elif self.body_ended:
            _require(kind == _TRAILERS, f"{kind!r} was sent after the end of the body, where only trailers may follow")
            self._check_offered(kind)
            self._check_headers(message.get("headers", ()))
            self.ended = not message.get("more_trailers", False)
        else:
            if kind in _BODY_EXTENSIONS:
                self._check_offered(kind)
            else:
                _require(kind == f"{prefix}.response.body", f"{kind!r} was sent in the middle of a body")
                body = message.get("body", b"")
                _require(type(body) is bytes, f"a piece of the body must be bytes, not {type(body).__name__}")
            self.body_ended = not message.get("more_body", False)
            self.ended = self.body_ended and not self._trailers_announced

    def _check_websocket(self, message: Message) -> None:
        kind = message["type"]
        _require(not self._closed, f"{kind!r} was sent after websocket.close")
        if kind == "websocket.accept":
            _require(not self.started, "websocket.accept was sent a second time")
            subprotocol = message.get("subprotocol")
            _require(
                subprotocol is None or type(subprotocol) is str, f"the subprotocol must be str, not {subprotocol!r}"
            )
            self._check_headers(message.get("headers", ()))
            self.started = True
        elif kind == "websocket.close":
            code, reason = message.get("code", 1000), message.get("reason") or ""
            _require(type(code) is int, f"the code of a close must be int, not {code!r}")
            # RFC 6455, section 5.5: a control frame has 125 octets, two of which are the code.
            _require(len(reason.encode()) <= 123, f"the reason of a close has at most 123 bytes: {reason!r}")
            self._closed = self.ended = True
        else:
            _require(kind == "websocket.send", f"{kind!r} is nothing that an application may send to a WebSocket")
            _require(self.started, "websocket.send was sent before websocket.accept")
            text, data = message.get("text"), message.get("bytes")
            _require((text is None) != (data is None), "websocket.send takes either text or bytes")
            _require(type(text) is str or type(data) is bytes, f"websocket.send has neither str nor bytes: {message!r}")

    def _check_offered(self, extension: str) -> None:
        _require(extension in self._extensions, f"{extension!r} was sent, which the scope's extensions do not offer")

    def _check_headers(self, headers: Iterable[tuple[Any, Any]]) -> None:
        for name, value in headers:
            _require(type(name) is bytes and type(value) is bytes, f"headers must be bytes: {(name, value)!r}")
            _require(name != b"", f"a header without a name, with the value {value!r}")
            _require(
                not any(octet < 32 and octet != 9 for octet in name + value),
                f"a header must not have control characters: {(name, value)!r}",
            )
            if self._strict:
                _require(name == name.lower(), f"names of headers must be lower case: {name!r}")
                _require(
                    name.strip() == name and value.strip(b" \t") == value,
                    f"names and values of headers must not have whitespace around them: {(name, value)!r}",
                )


def _require(holds: bool, rule: str) -> None:
    # Not `assert`, which python -O takes away and pytest rewrites only in test modules.
    if not holds:
        raise AssertionError(f"ASGI: {rule}")

"""Text from a client: decoded by the charset that the client names, and made fit for logs."""

from __future__ import annotations

import codecs
from typing import Final

__all__ = ("decode_text", "escape_controls")

# Codecs that Python has and nobody sends: they take quadratic time (punycode and idna), read escapes of Python's own,
# or only raise.
_REFUSED: Final = frozenset({"idna", "punycode", "raw-unicode-escape", "unicode-escape", "undefined", "mbcs", "oem"})


def decode_text(body: bytes, charset: str) -> str:
    """``body`` in ``charset``.

    Raises:
        UnicodeDecodeError: the body is not in that charset.
        LookupError: there is no such charset, or it is none that may be named by a client.
    """
    if charset in {"utf-8", "UTF-8"}:
        return body.decode("utf-8")
    try:
        name = codecs.lookup(charset).name
    except ValueError:  # A NUL in the name.
        raise LookupError(f"unknown encoding: {charset!r}") from None
    if name.replace("_", "-") in _REFUSED:
        raise LookupError(f"unknown encoding: {charset}")
    return body.decode(charset)


def escape_controls(text: str) -> str:
    """``text`` in visible ASCII, for logs: what a client sends must not begin a line there or command a terminal."""
    if text.isascii() and text.isprintable():
        return text
    return text.encode("unicode_escape").decode("ascii")

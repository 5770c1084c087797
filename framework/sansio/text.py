"""Text from a client: decoded by the charset that the client names, and made fit for logs."""

from __future__ import annotations

import codecs
import encodings
from encodings.aliases import aliases
from functools import cache
from typing import Final

__all__ = ("decode_text", "escape_controls")

# Codecs that Python has and nobody sends: they take quadratic time (punycode and idna), read escapes of Python's own,
# or only raise.
_REFUSED: Final = frozenset({"idna", "punycode", "raw-unicode-escape", "unicode-escape", "undefined", "mbcs", "oem"})

# Longer than the name of any charset (RFC 2978, section 2.3: 40 characters).
_LONGEST_NAME: Final = 40


def decode_text(body: bytes, charset: str) -> str:
    """``body`` in ``charset``.

    Raises:
        UnicodeDecodeError: the body is not in that charset.
        LookupError: there is no such charset, or it is none that may be named by a client.
    """
    if charset in {"utf-8", "UTF-8"}:
        return body.decode("utf-8")
    # Python keeps every name that it was ever asked for, known or not, and looks for a module of that name: it is asked
    # for those only that it has.
    name = ""
    if len(charset) <= _LONGEST_NAME and charset.isascii():
        name = encodings.normalize_encoding(charset.lower()).replace(".", "_")
    if name not in _known_names() or codecs.lookup(name).name.replace("_", "-") in _REFUSED:
        raise LookupError(f"unknown encoding: {charset[:_LONGEST_NAME]!r}")
    return body.decode(name)


@cache
def _known_names() -> frozenset[str]:
    # Imported when the first charset but UTF-8 comes.
    import pkgutil

    modules = {module.name for module in pkgutil.iter_modules(encodings.__path__)} - {"aliases"}
    return frozenset(modules.union(aliases, aliases.values()))


def escape_controls(text: str) -> str:
    """``text`` in visible ASCII, for logs: what a client sends must not begin a line there or command a terminal."""
    if text.isascii() and text.isprintable():
        return text
    return text.encode("unicode_escape").decode("ascii")

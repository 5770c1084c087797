"""The formats of access logs: aiohttp's atoms, taken apart; and what a client chose, made fit for a line of a log."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

__all__ = ("Atom", "LogFormat", "escape_json", "escape_text", "parse_log_format")

_ATOM: Final = re.compile(r"%(?:\{([A-Za-z0-9\-_]+)\}([ioe])|(Tf|[atPrsbTD]))|%%")

#: What each atom is called among the attributes of a log record, as in aiohttp.
_KEYS: Final = {
    "a": "remote_address",
    "t": "request_start_time",
    "P": "process_id",
    "r": "first_request_line",
    "s": "response_status",
    "b": "response_size",
    "T": "request_time",
    "Tf": "request_time_frac",
    "D": "request_time_micro",
    "i": "request_header",
    "o": "response_header",
}


class Atom(NamedTuple):
    """One value of a line."""

    #: The letter or letters behind the percent sign, without the name of a header.
    letters: str
    #: The header that ``%{…}i`` and ``%{…}o`` name; empty for the others.
    header: str

    @property
    def key(self) -> str:
        """The attribute of the log record that has the value; for headers a mapping by their names."""
        return _KEYS[self.letters]


class LogFormat(NamedTuple):
    """A format, taken apart."""

    #: For the ``%`` operator, with ``%s`` where an atom is.
    template: str
    atoms: tuple[Atom, ...]


def parse_log_format(text: str) -> LogFormat:
    """Take a format apart.

    ``%%`` is a percent sign. What looks like an atom and is none stays as it is, as in aiohttp; so does all other text.

    Raises KeyError for ``%{NAME}e``, which aiohttp refuses likewise: there is no environment of a request.
    """
    pieces: list[str] = []
    atoms: list[Atom] = []
    end = 0
    for found in _ATOM.finditer(text):
        pieces.append(text[end : found.start()].replace("%", "%%"))
        end = found.end()
        header, where, letters = found.groups()
        if found[0] == "%%":
            pieces.append("%%")
            continue
        if where == "e":
            raise KeyError(f"{found[0]} in a log format: put os.environ[{header!r}] into the format itself")
        atoms.append(Atom(letters or where, header or ""))
        pieces.append("%s")
    pieces.append(text[end:].replace("%", "%%"))
    return LogFormat("".join(pieces), tuple(atoms))


class _TextEscapes(dict[int, str]):
    """For `str.translate`: what a line shows of each character, found out when it first comes.

    It holds no more than 512 characters, so that clients cannot make it grow.
    """

    def __missing__(self, code: int) -> str:
        escaped = self.escape(code)
        if len(self) < 512:
            self[code] = escaped
        return escaped

    def escape(self, code: int) -> str:
        character = chr(code)
        if character.isprintable():
            # What delimits a field of the line, and what escapes begin with.
            return f"\\{character}" if character in '"\\' else character
        if 0xDC80 <= code <= 0xDCFF:
            # PEP 383: an octet that was no UTF-8.
            return f"\\x{code - 0xDC00:02x}"
        if code < 0x80:
            return f"\\x{code:02x}"
        return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


class _JSONEscapes(_TextEscapes):
    """The same for a text that is JSON already (RFC 8259, section 7)."""

    def escape(self, code: int) -> str:
        if chr(code).isprintable():
            return chr(code)
        if code < 0x10000:
            return f"\\u{code:04x}"
        code -= 0x10000
        return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"


_TEXT: Final = _TextEscapes()
_JSON: Final = _JSONEscapes()


def escape_text(text: str) -> str:
    """``text`` on one line, without anything that commands a terminal or ends a quoted field.

    Controls, line separators and marks of direction are written as ``\\x1b`` or ``\\u2028``, octets that were no UTF-8
    as ``\\xff``, quotes and backslashes behind a backslash.
    """
    if text.isprintable() and '"' not in text and "\\" not in text:
        return text
    return text.translate(_TEXT)


def escape_json(text: str) -> str:
    """``text``, which is JSON on one line, with everything escaped that is not printable."""
    return text if text.isprintable() else text.translate(_JSON)

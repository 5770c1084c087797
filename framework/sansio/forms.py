"""``application/x-www-form-urlencoded``: query strings and form bodies (the URL Standard, section 5.1).

Only ``&`` separates; a field without ``=`` has an empty value; everything takes linear time.
"""

from __future__ import annotations

from typing import Final, cast
from urllib.parse import unquote

from multidict import MultiDict

from framework.sansio.text import decode_text

__all__ = ("TooManyFields", "parse_form", "parse_query")

_HEX: Final = "0123456789ABCDEFabcdef"
_OCTETS: Final = {(a + b).encode(): bytes.fromhex(a + b) for a in _HEX for b in _HEX}


class TooManyFields(ValueError):
    """A form has more fields than the application takes."""


def parse_query(query_string: str) -> MultiDict[str]:
    """The parameters of a query string, decoded; octets that are not UTF-8 become U+FFFD.

    Args:
        query_string: without the ``?``.
    """
    # A list of pairs is as good as a tuple of pairs to MultiDict, and not to its annotations.
    return MultiDict(cast("list[tuple[str, str]]", _fields(query_string)))


def parse_form(body: bytes, charset: str = "utf-8", max_fields: int | None = None) -> list[tuple[str, str]]:
    """The fields of a form body. Whitespace at its end is no part of it (as aiohttp).

    Args:
        body: the whole body.
        charset: what its octets, also the percent-encoded ones, are in.
        max_fields: how many fields are taken; None or 0 for any number.

    Raises:
        UnicodeDecodeError: the body is not in that charset.
        LookupError: there is no such charset.
        TooManyFields: there are more than ``max_fields``, counted by their separators before any is decoded.
    """
    text = decode_text(body.rstrip(), charset)
    if max_fields and text.count("&") >= max_fields:
        raise TooManyFields(f"Maximum number of form fields {max_fields} exceeded.")
    if charset in {"utf-8", "UTF-8"} or "%" not in text:
        return [(name, value) for name, value in _fields(text)]
    return [
        (unquote(name, charset, "replace"), unquote(value, charset, "replace"))
        for name, _, value in [field.partition("=") for field in text.replace("+", " ").split("&") if field]
    ]


def _fields(text: str) -> list[list[str]]:
    if "+" in text:
        text = text.replace("+", " ")
    if "%" in text:
        if "%26" in text or "%3D" in text or "%3d" in text:
            # An encoded separator: fields first, octets then.
            return [[_unquote(name), _unquote(value)] for name, value in _pairs(text)]
        # PERF: all fields at once (a form of 10 fields with 20 escapes: 5 µs, and 9 by field). No separator can become
        # part of an octet, as no hexadecimal digit is one, nor of a character, as it is ASCII.
        text = _unquote(text)
    return _pairs(text)


def _pairs(text: str) -> list[list[str]]:
    # PERF: nearly always every field has an equals sign, and split() makes the pairs (0.5 µs for two fields, else 0.7).
    pairs = [field.split("=", 1) for field in text.split("&")]
    for pair in pairs:
        if len(pair) != 2:
            return [[name, value] for name, _, value in [field.partition("=") for field in text.split("&") if field]]
    return pairs


def _unquote(text: str) -> str:
    if "%" not in text:
        return text
    if not text.isascii():
        return unquote(text)
    first, *pieces = text.encode("ascii").split(b"%")
    try:
        octets = b"".join([_OCTETS[piece[:2]] + piece[2:] for piece in pieces])
    except KeyError:
        # A percent sign without two hexadecimal digits stays one.
        octets = b"".join([_OCTETS.get(piece[:2], b"%" + piece[:2]) + piece[2:] for piece in pieces])
    return (first + octets).decode("utf-8", "replace")

"""``application/x-www-form-urlencoded``: query strings and form bodies (the URL Standard, section 5.1).

Only ``&`` separates; a field without ``=`` has an empty value; everything takes linear time.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote

from multidict import MultiDict

from framework.sansio.text import decode_text

__all__ = ("TooManyFields", "parse_form", "parse_query")

_HEX: Final = "0123456789ABCDEFabcdef"
_OCTETS: Final = {(a + b).encode(): bytes.fromhex(a + b) for a in _HEX for b in _HEX}
# Escapes that can be undone before the fields are told apart: one ASCII character each, and no separator.
_EARLY: Final = {a + b: chr(int(a + b, 16)) for a in "01234567" for b in _HEX if chr(int(a + b, 16)) not in "&="}


class TooManyFields(ValueError):
    """A form has more fields than the application takes."""


def parse_query(query_string: str) -> MultiDict[str]:
    """The parameters of a query string, decoded; octets that are not UTF-8 become U+FFFD.

    Args:
        query_string: without the ``?``.
    """
    return _parse(query_string)


def parse_form(body: bytes, charset: str = "utf-8", max_fields: int | None = None) -> MultiDict[str]:
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
    utf_8 = charset == "utf-8"
    text = body.rstrip().decode() if utf_8 else decode_text(body.rstrip(), charset)
    if max_fields and len(text) >= max_fields and text.count("&") >= max_fields:
        raise TooManyFields(f"Maximum number of form fields {max_fields} exceeded.")
    if utf_8 or "%" not in text or charset == "UTF-8":
        return _parse(text)
    return MultiDict(
        (unquote(name, charset, "replace"), unquote(value, charset, "replace"))
        for name, value in _pairs(text.replace("+", " "))
    )


def _parse(text: str) -> MultiDict[str]:
    text = text.replace("+", " ")
    try:
        # PERF: escapes are undone in all fields at once, and every field is taken to have an equals sign until
        # MultiDict says otherwise: 3.0 µs for a form of ten fields with four escapes, 5.1 field by field.
        plain = text
        if "%" in text:
            pieces = text.split("%")
            try:
                plain = pieces[0] + "".join([_EARLY[piece[:2]] + piece[2:] for piece in pieces[1:]])
            except KeyError:
                if "%26" in text or "%3D" in text or "%3d" in text:
                    raise
                # PERF: neither can an octet of a longer character be a separator: 12 µs for ten fields, 20 one by one.
                plain = _unquote(text)
        # A list of pairs is as good as a tuple of pairs to MultiDict, and not to its annotations.
        return MultiDict([field.split("=", 1) for field in plain.split("&")])  # type: ignore[misc]
    except (KeyError, ValueError):
        return MultiDict([(_unquote(name), _unquote(value)) for name, value in _pairs(text)])


def _pairs(text: str) -> list[tuple[str, str]]:
    return [(name, value) for name, _, value in [field.partition("=") for field in text.split("&") if field]]


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

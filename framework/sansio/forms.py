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
_ASCII: Final = {a + b: chr(int(a + b, 16)) for a in _HEX for b in _HEX if int(a + b, 16) < 0x80}


class TooManyFields(ValueError):
    """A form has more fields than the application takes."""


def parse_query(query_string: str) -> MultiDict[str]:
    """The parameters of a query string, decoded; octets that are not UTF-8 become U+FFFD.

    Args:
        query_string: without the ``?``.
    """
    return MultiDict(_fields(query_string))


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
        return _fields(text)
    return [
        (unquote(name, charset, "replace"), unquote(value, charset, "replace"))
        for name, _, value in [field.partition("=") for field in text.replace("+", " ").split("&") if field]
    ]


def _fields(text: str) -> list[tuple[str, str]]:
    if "+" in text:
        text = text.replace("+", " ")
    if "%" not in text:
        return [(name, value) for name, _, value in [field.partition("=") for field in text.split("&") if field]]
    fields = []
    for field in text.split("&"):
        if field:
            name, _, value = field.partition("=")
            if "%" in name:
                name = _unquote(name)
            if "%" in value:
                value = _unquote(value)
            fields.append((name, value))
    return fields


def _unquote(text: str) -> str:
    first, *rest = text.split("%")
    decoded = [first]
    for piece in rest:
        character = _ASCII.get(piece[:2])
        if character is None:
            break
        decoded.append(character)
        decoded.append(piece[2:])
    else:
        return "".join(decoded)
    if not text.isascii():
        return unquote(text)
    octets, *pieces = text.encode().split(b"%")
    parts = [octets]
    for octets in pieces:
        octet = _OCTETS.get(octets[:2])
        if octet is None:
            parts.append(b"%")
            parts.append(octets)
        else:
            parts.append(octet)
            parts.append(octets[2:])
    return b"".join(parts).decode("utf-8", "replace")

r"""Content-Disposition (RFC 6266, RFC 7578), as browsers, curl and mail programs write it.

Browsers put a name into quotes and escape ``"``, CR and LF in it as ``%22``, ``%0D`` and ``%0A``, which is left as it
is because nothing tells it from a name that has these characters (and as aiohttp does); curl escapes with backslashes
(RFC 9110, section 5.6.4); others send extended parameters (``filename*``, RFC 8187) and continued ones (``filename*0``,
RFC 2231). Reading takes linear time and raises nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.parse import unquote_to_bytes

from framework.sansio.text import decode_text

__all__ = ("Disposition", "disposition_parameter", "parse_disposition", "parse_form_names", "safe_filename")

_is_token: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch
# Possessive repetitions: no other way to match is tried.
_NAME: Final = re.compile(r"([^;=\"]++)=[ \t]*+")
_ESCAPED: Final = re.compile(r'"((?:[^"\\]|\\.)*+)"[ \t]*+(?=;|$)', re.DOTALL)
# A browser does not escape a backslash, also not before the last quote.
_UNESCAPED: Final = re.compile(r'"([^"]*+)"[ \t]*+(?=;|$)')
_BARE: Final = re.compile(r"([^\s;\"]++)[ \t]*+(?=;|$)")
_EMPTY: Final = re.compile(r"[ \t]*+(?=;|$)")
_QUOTED_PAIR: Final = re.compile(r"\\(.)", re.DOTALL)
_CONTROLS: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")

# What nearly every part of a form says.
_FROM_BROWSERS: Final = re.compile(r'form-data; name="([^"\\/]*+)"(?:; filename="([^"\\/]*+)")?')

# Whatever a file system, a shell or a page could take for more than a letter of a name.
_UNSAFE: Final = re.compile('[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff<>:"|?*]')
_DEVICES: Final = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|$)", re.IGNORECASE)
#: The longest name that file systems take, in bytes.
_LONGEST_NAME: Final = 255
_NAMELESS: Final = "unnamed"


class Disposition(NamedTuple):
    """A Content-Disposition: its type, None for one that cannot be read, and its parameters by lower-case name."""

    type: str | None
    parameters: dict[str, str]
    #: What could not be read: all of the header, or single parameters.
    is_malformed: bool = False
    dropped: tuple[str, ...] = ()


def parse_disposition(value: str) -> Disposition:
    """The type and the parameters of a Content-Disposition.

    Quotes and escapes are taken off, extended parameters decoded (their names keep the ``*``); continued ones are left
    in pieces, see `disposition_parameter`. Slashes and backslashes in front of a quoted value are dropped, as in
    aiohttp, and of a full path of Windows, which old browsers send, the last component is left.
    """
    kind, semicolon, _ = value.partition(";")
    kind = kind.strip()
    if not _is_token(kind):
        return Disposition(None, {}, is_malformed=True)
    parameters: dict[str, str] = {}
    dropped: list[str] = []
    position = len(value) if not semicolon else value.index(";") + 1
    trailing = False
    while position < len(value):
        if (empty := _EMPTY.match(value, position)) is not None:
            trailing = True
            position = empty.end() + 1
            continue
        name = _NAME.match(value, position)
        if name is None:
            return Disposition(None, {}, is_malformed=True)
        key, start = name[1].strip().lower(), name.end()
        found = _ESCAPED.match(value, start) or _UNESCAPED.match(value, start)
        if found is not None:
            text = _unquote(found[1], key)
        elif (found := _BARE.match(value, start)) is not None:
            text = found[1]
        if found is None or key in parameters:
            return Disposition(None, {}, is_malformed=True)
        position = found.end() + 1
        if not _is_token(key):
            dropped.append(key)
        elif key.endswith("*") and not _is_continuation(key):
            decoded = _decode_extended(text)
            if decoded is None:
                dropped.append(key)
            else:
                parameters[key] = decoded
        else:
            parameters[key] = text
    return Disposition(kind.lower(), parameters, is_malformed=trailing, dropped=tuple(dropped))


def disposition_parameter(parameters: Mapping[str, str], name: str = "filename") -> str | None:
    """The value of ``name`` among the parameters of a Content-Disposition, None where there is none.

    The extended one comes first (RFC 6266, section 4.3), then the plain one, then one in pieces (RFC 2231, section 3).
    """
    value = parameters.get(f"{name}*")
    if value is None:
        value = parameters.get(name)
    if value is None:
        value = _join_continued(parameters, name)
    return value


def parse_form_names(value: str) -> tuple[str | None, str | None]:
    """The name and the file name that a part of a form has, without control characters; None where there is none."""
    # PERF: what browsers, curl and httpx send takes 0.4 µs instead of 4.
    plain = _FROM_BROWSERS.fullmatch(value)
    if plain is not None:
        name, filename = plain.groups()
    else:
        parameters = parse_disposition(value).parameters
        name = disposition_parameter(parameters, "name")
        filename = disposition_parameter(parameters, "filename")
    if name is not None and not name.isprintable():
        name = _CONTROLS.sub("", name)
    if filename is not None and not filename.isprintable():
        filename = _CONTROLS.sub("", filename)
    return name, filename


def safe_filename(filename: str) -> str:
    """A name for a file that the client calls ``filename``, which leads out of no folder on any system.

    Directories are taken off, and what file systems, shells or logs could take for more than a letter; leading and
    trailing dots and spaces as well. Device names of Windows get an underscore in front. What is too long for file
    systems (255 bytes) is cut, the suffix kept. Never empty: ``unnamed`` where nothing is left.
    """
    name = filename.replace("\\", "/").rpartition("/")[2]
    name = _UNSAFE.sub("_", name).strip(". \u3000")
    if _DEVICES.match(name):
        name = f"_{name}"
    if len(name.encode()) > _LONGEST_NAME:
        stem, dot, suffix = name.rpartition(".")
        tail = (dot + suffix).encode()
        if not stem or len(tail) > _LONGEST_NAME // 2:
            stem, tail = name, b""
        name = (stem.encode()[: _LONGEST_NAME - len(tail)] + tail).decode(errors="ignore").rstrip(". ")
    return name or _NAMELESS


def _unquote(raw: str, key: str) -> str:
    if "\\" not in raw:
        return raw.lstrip("/")
    if key == "filename" and (raw[1:3] == ":\\" or raw.startswith("\\\\")):
        return raw.rpartition("\\")[2]
    return _QUOTED_PAIR.sub(r"\1", raw.lstrip("\\/"))


def _is_continuation(key: str) -> bool:
    number = key.rstrip("*").rpartition("*")[2]
    return "*" in key.rstrip("*") and number.isascii() and number.isdigit()


def _decode_extended(text: str) -> str | None:
    """RFC 8187, section 3.2: the charset, the language and the percent-encoded octets."""
    if text.count("'") != 2:
        return None
    charset, _, encoded = text.split("'")
    try:
        return decode_text(unquote_to_bytes(encoded), charset or "utf-8")
    except (LookupError, UnicodeError):
        return None


def _join_continued(parameters: Mapping[str, str], name: str) -> str | None:
    pieces: list[bytes] = []
    charset = ""
    try:
        while True:
            key = f"{name}*{len(pieces)}"
            if (piece := parameters.get(f"{key}*")) is not None:
                if not pieces and piece.count("'") >= 2:
                    charset, _, piece = piece.split("'", 2)
                pieces.append(unquote_to_bytes(piece))
            elif (piece := parameters.get(key)) is not None:
                pieces.append(piece.encode("utf-8", "surrogateescape"))
            else:
                break
        return decode_text(b"".join(pieces), charset or "utf-8") if pieces else None
    except (LookupError, UnicodeError):
        return None

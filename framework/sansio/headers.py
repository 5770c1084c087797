"""Header fields: which may be sent, how they travel in an ASGI message, and what Content-Type says.

Nothing here trusts its input. What a program sets is refused when it would end the field early (response splitting);
what a client sends is read leniently and in linear time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

from multidict import CIMultiDict, CIMultiDictProxy, istr

from framework import hdrs

__all__ = (
    "HeaderMap",
    "check_header_name",
    "check_header_value",
    "check_reason",
    "decode_headers",
    "encode_headers",
    "parse_content_type",
)

# RFC 9110, section 5.6.2.
_is_token: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch
# RFC 9110, section 5.5: CR, LF and NUL are dangerous, other control characters but HTAB invalid. Surrogates that do not
# stand for an undecodable octet have no octets to be sent as.
_FORBIDDEN_IN_VALUE: Final = re.compile("[\x00-\x08\x0a-\x1f\x7f\ud800-\udc7f\udd00-\udfff]")

# Both tables are made once from the names this package knows, and never grow with what a client or a program sends.
_KNOWN_NAMES: Final = tuple(name for name in vars(hdrs).values() if isinstance(name, istr))
_DECODED_NAMES: Final[dict[bytes, istr]] = {}
for _name in _KNOWN_NAMES:
    _DECODED_NAMES[_name.lower().encode("ascii")] = _name
    _DECODED_NAMES[_name.encode("ascii")] = _name
_ENCODED_NAMES: Final[dict[str, bytes]] = {}
for _name in _KNOWN_NAMES:
    _ENCODED_NAMES[str(_name)] = _ENCODED_NAMES[_name.lower()] = _name.lower().encode("ascii")


def check_header_name(name: str) -> None:
    """Refuse what is not a token (RFC 9110, section 5.1).

    Raises:
        ValueError: the name is empty or has a character that is not allowed in a field name.
    """
    if name not in _ENCODED_NAMES and _is_token(name) is None:
        raise ValueError(f"Invalid header name {str(name)!r}: only letters, digits and !#$%&'*+-.^_`|~ are allowed")


def check_header_value(name: str, value: str) -> None:
    """Refuse a value that would end the header or that servers refuse (RFC 9110, section 5.5).

    Args:
        name: the header the value is for; used in the messages.
        value: the value.

    Raises:
        TypeError: the value is not a `str`.
        ValueError: the value has CR, LF, NUL or another control character except HTAB, or a lone surrogate that
            stands for no octet.
    """
    if not isinstance(value, str):
        raise TypeError(f"The value of header {str(name)!r} must be str, not {type(value).__name__}")
    # isprintable() is one pass in C and true of nearly every value.
    if not value.isprintable() and (found := _FORBIDDEN_IN_VALUE.search(value)) is not None:
        raise ValueError(f"The value of header {str(name)!r} must not contain {found[0]!r} (header injection)")


def check_reason(reason: str) -> None:
    """Refuse a reason phrase that would end the status line (RFC 9112, section 4).

    Raises:
        ValueError: the reason has CR, LF, NUL or another control character except HTAB.
    """
    if not reason.isprintable() and (found := _FORBIDDEN_IN_VALUE.search(reason)) is not None:
        if found[0] in "\r\n":
            raise ValueError("Reason cannot contain \\r or \\n")
        raise ValueError(f"Reason cannot contain {found[0]!r}")


_set: Final = CIMultiDict.__setitem__
_add: Final = CIMultiDict.add


_SENT_BY_SERVERS: Final = frozenset({"date", "server", "transfer-encoding"})


class HeaderMap(CIMultiDict[str]):
    """A response's headers: a `multidict.CIMultiDict` that refuses what could be used to inject headers.

    Every way to put something in raises `ValueError` for a name that is not a token and for a value with control
    characters, and `TypeError` for a value that is not a `str`.
    """

    def __init__(self, arg: Any = (), /, **kwargs: str) -> None:
        if type(arg) is dict and not kwargs:
            # PERF: a dict itself is taken over faster than its items: 0.8 µs for one header, else 1.35.
            for name, value in arg.items():
                if type(value) is not str or not value.isprintable() or name not in _ENCODED_NAMES:
                    _check(name, value)
            super().__init__(arg)
        elif not arg and not kwargs:
            super().__init__()
        else:
            super().__init__(_checked(arg, kwargs))

    def __setitem__(self, key: str, value: str) -> None:
        # PERF: what is nearly always so is seen here, without two more calls (0.3 µs, else 0.7).
        if type(value) is not str or not value.isprintable() or (key not in _ENCODED_NAMES and not _is_token(key)):
            _check(key, value)
        _set(self, key, value)

    def __delitem__(self, key: str) -> None:
        # Programs hide the server in on_response_prepare, where aiohttp's responses have these and ours do not yet.
        if key.lower() in _SENT_BY_SERVERS and key not in self:
            return
        super().__delitem__(key)

    def add(self, key: str, value: str) -> None:
        """Add a header, keeping those of the same name."""
        if type(value) is not str or not value.isprintable() or (key not in _ENCODED_NAMES and not _is_token(key)):
            _check(key, value)
        _add(self, key, value)

    def setdefault(self, key: str, default: str | None = None) -> str:
        """The first value of ``key``, which becomes ``default`` if there is none."""
        if key in self:
            return self[key]
        # None is refused as a value by the check, as any other value that is no str.
        self[key] = default  # type: ignore[assignment]
        return self[key]

    def extend(self, arg: Any = (), /, **kwargs: str) -> None:
        """Add headers, keeping those of the same names."""
        super().extend(_checked(arg, kwargs))

    def update(self, arg: Any = (), /, **kwargs: str) -> None:
        """Set headers, replacing those of the same names."""
        super().update(_checked(arg, kwargs))

    def merge(self, arg: Any = (), /, **kwargs: str) -> None:
        """Add the headers whose names are not there yet."""
        super().merge(_checked(arg, kwargs))

    def copy(self) -> HeaderMap:
        """A copy of the same class."""
        return type(self)(self)

    __copy__ = copy


def _check(name: str, value: str) -> None:
    if not isinstance(name, str):
        raise TypeError(f"Header names must be str, not {type(name).__name__}")
    check_header_name(name)
    check_header_value(name, value)


def _checked(arg: Any, kwargs: dict[str, str]) -> Iterable[tuple[str, str]]:
    pairs: Iterable[tuple[str, str]]
    if type(arg) is dict or isinstance(arg, Mapping):
        pairs = arg.items()
    elif hasattr(arg, "keys"):
        pairs = [(name, arg[name]) for name in arg.keys()]  # noqa: SIM118
    else:
        pairs = list(arg)
    if kwargs:
        pairs = [*pairs, *kwargs.items()]
    if type(arg) is not HeaderMap or kwargs:
        for name, value in pairs:
            _check(name, value)
    return pairs


def encode_headers(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """Headers as an ASGI message carries them: lower-case names, octets.

    Args:
        headers: a mapping; one that is not a `HeaderMap` is checked now.

    Raises:
        ValueError: a name or a value may not be sent.
    """
    encoded = []
    checked = type(headers) is HeaderMap
    for name, value in headers.items():
        if not checked:
            _check(name, value)
        raw_name = _ENCODED_NAMES.get(name)
        if raw_name is None:
            raw_name = name.lower().encode("ascii")
        # Whitespace around a value is not part of it (RFC 9110, section 5.5), and some servers refuse it.
        encoded.append((raw_name, value.strip(" \t").encode("utf-8", "surrogateescape")))
    return encoded


def decode_headers(raw: Iterable[tuple[bytes, bytes]]) -> CIMultiDictProxy[str]:
    """The headers of an ASGI scope as a program reads them.

    Names are given the spelling that HTTP/1.1 clients send (``User-Agent``), as ASGI servers lower-case them; values
    are UTF-8 with octets that are not kept as surrogates.
    """
    known = _DECODED_NAMES
    headers = CIMultiDict(
        # Whitespace around a value is not part of it (RFC 9110, section 5.5); not every server takes it away.
        [
            (known.get(name) or _decode_name(name), value.decode("utf-8", "surrogateescape").strip(" \t"))
            for name, value in raw
        ]
    )
    return CIMultiDictProxy(headers)


def _decode_name(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape").title()


_DEFAULT_CONTENT_TYPE: Final = "application/octet-stream"
# type "/" subtype and parameters in the plain form of RFC 9110, section 8.3.1, where the lenient parser below and a
# strict one agree. Anything else takes the long way.
_PLAIN_TYPE: Final = re.compile(r"[A-Za-z0-9!#$&^_.+\-*]+/[A-Za-z0-9!#$&^_.+\-*]+")
_PLAIN_PARAMETER: Final = re.compile(
    r';[ ]?([A-Za-z0-9_\-]+)=(?:([A-Za-z0-9!#$&^_.+\-]+)|"([A-Za-z0-9!#$&^_.+\-/:=?,]+)")'
)
# The lenient parser is the standard library's for e-mail, which is not linear; and what is remembered must be small.
# Longer values than anybody sends are read without either.
_ORDINARY_LENGTH: Final = 256
# Atomic repetitions (++): no other way to match is tried, so that reading is linear.
_ANY_NAME: Final = re.compile(r"[ \t]*+([^\s;=\"]++)[ \t]*+=[ \t]*+")
_ANY_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*+)"', re.DOTALL)
_QUOTED_PAIR: Final = re.compile(r"\\(.)", re.DOTALL)
_NO_LINE_ENDS: Final = {ord("\r"): None, ord("\n"): None}


def parse_content_type(value: str) -> tuple[str, Mapping[str, str]]:
    """The media type, lower-case, and the parameters of a Content-Type (RFC 9110, section 8.3).

    Args:
        value: the header's value; empty if there is none.

    Returns:
        The type, ``application/octet-stream`` for a missing or invalid one (as aiohttp), and the parameters with
        lower-case names.
    """
    if len(value) <= _ORDINARY_LENGTH:
        return _parse_ordinary(value)
    return _parse_plain(value) or _parse_long(value)


@lru_cache(maxsize=128)
def _parse_ordinary(value: str) -> tuple[str, Mapping[str, str]]:
    return _parse_plain(value) or _parse_leniently(value)


def _parse_plain(value: str) -> tuple[str, Mapping[str, str]] | None:
    media_type = _PLAIN_TYPE.match(value)
    if media_type is None:
        return None
    end = media_type.end()
    parameters: dict[str, str] = {}
    while end < len(value):
        parameter = _PLAIN_PARAMETER.match(value, end)
        if parameter is None:
            return None
        name, plain, quoted = parameter.groups()
        parameters.setdefault(name.lower(), plain or quoted)
        end = parameter.end()
    return media_type[0].lower(), MappingProxyType(parameters)


def _parse_leniently(value: str) -> tuple[str, Mapping[str, str]]:
    # Imported when the first odd value comes: the e-mail package is large.
    from email.message import EmailMessage
    from email.policy import HTTP

    try:
        message = EmailMessage(policy=HTTP)
        message["Content-Type"] = value.translate(_NO_LINE_ENDS)
        parameters = message.get_params() or []
        return _media_type(str(message["Content-Type"])), MappingProxyType(dict(parameters[1:]))
    except Exception:  # Its parser has bugs, and nothing that a client sends may become a 500.
        return _parse_long(value)


def _parse_long(value: str) -> tuple[str, Mapping[str, str]]:
    parameters: dict[str, str] = {}
    position = value.find(";")
    while 0 <= position < len(value):
        name = _ANY_NAME.match(value, position + 1)
        if name is not None:
            position = name.end()
            quoted = _ANY_QUOTED.match(value, position)
            if quoted is not None:
                text = _QUOTED_PAIR.sub(r"\1", quoted[1])
                position = quoted.end()
            else:
                end = value.find(";", position)
                text = value[position : end if end >= 0 else len(value)].strip()
            parameters.setdefault(name[1].lower(), text)
            position = value.find(";", position)
        else:
            position = value.find(";", position + 1)
    return _media_type(value), MappingProxyType(parameters)


def _media_type(value: str) -> str:
    media_type = value.partition(";")[0].strip().lower()
    return media_type if media_type.count("/") == 1 else _DEFAULT_CONTENT_TYPE

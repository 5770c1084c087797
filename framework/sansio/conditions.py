"""Conditional and range requests (RFC 9110, sections 8.8, 13 and 14), as values.

What a client sends is read strictly and never raises, with one exception that aiohttp documents: a malformed Range.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

__all__ = (
    "ETAG_ANY",
    "ETag",
    "etag_matches",
    "failed_precondition",
    "format_etag",
    "format_http_date",
    "parse_etag",
    "parse_etags",
    "parse_http_date",
    "parse_range",
    "range_still_holds",
)

ETAG_ANY: Final = "*"

# RFC 9110, section 8.8.3: etagc is visible ASCII but the quote, or obs-text. An empty tag is not taken (as aiohttp).
_ETAGC: Final = r"[!#-~\x80-\xff]+"
_ETAG_VALUE: Final = re.compile(_ETAGC)
_ETAG: Final = re.compile(rf'(W/)?"({_ETAGC})"')
_ETAG_IN_LIST: Final = re.compile(rf'(W/)?"({_ETAGC})"(?:\s*,\s*|\Z)')


@dataclass(frozen=True, slots=True)
class ETag:
    """An entity tag.

    Args:
        value: the opaque tag without its quotes, or ``*``.
        is_weak: whether it only promises equivalent, not equal, octets.
    """

    value: str
    is_weak: bool = False


def parse_etags(value: str) -> tuple[ETag, ...]:
    """The entity tags of an If-Match or If-None-Match header.

    Reading stops at the first thing that is no entity tag; ``*`` counts only by itself.
    """
    if value == ETAG_ANY:
        return (ETag(ETAG_ANY),)
    etags = []
    position = 0
    while (found := _ETAG_IN_LIST.match(value, position)) is not None:
        etags.append(ETag(found[2], found[1] is not None))
        position = found.end()
    return tuple(etags)


def parse_etag(value: str) -> ETag | None:
    """The entity tag of an ETag header, or None if it is not one."""
    if value == ETAG_ANY:
        return ETag(ETAG_ANY)
    found = _ETAG.fullmatch(value)
    return None if found is None else ETag(found[2], found[1] is not None)


def format_etag(etag: ETag | str) -> str:
    """An ETag header's value.

    Raises:
        ValueError: the tag is empty or has a character that may not be in one.
    """
    if isinstance(etag, str):
        etag = ETag(etag)
    if etag.value == ETAG_ANY:
        return ETAG_ANY
    if _ETAG_VALUE.fullmatch(etag.value) is None:
        raise ValueError(f"Value {etag.value!r} is not a valid etag: it may have visible characters without '\"' only")
    return f'W/"{etag.value}"' if etag.is_weak else f'"{etag.value}"'


def etag_matches(value: str, etags: Iterable[ETag], *, weak: bool) -> bool:
    """Whether the tag of the current representation is in a list of tags (RFC 9110, section 8.8.3.2).

    Args:
        value: the current, strong tag without quotes.
        etags: what the client listed; ``*`` matches anything.
        weak: compare weakly (If-None-Match), or strongly (If-Match, If-Range), where a weak tag never matches.
    """
    return any(etag.value == ETAG_ANY or (etag.value == value and (weak or not etag.is_weak)) for etag in etags)


_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH_NUMBERS: Final = {name: number for number, name in enumerate(_MONTHS, 1)}
# IMF-fixdate (RFC 9110, section 5.6.7), which is what clients send.
_FIXDATE: Final = re.compile(
    r"[A-Z][a-z]{2}, ([0-9]{2}) ([A-Z][a-z]{2}) ([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT"
)
# Longer than any date in any of the forms that are read.
_DATE_LIMIT: Final = 128


def parse_http_date(value: str | None) -> datetime | None:
    """The moment that an HTTP date names, in UTC (RFC 9110, section 5.6.7).

    The obsolete forms and what else the standard library can read are taken too, always as UTC (as aiohttp).

    Returns:
        None for no date and for a malformed one, which a recipient must ignore.
    """
    if value is None:
        return None
    found = _FIXDATE.fullmatch(value)
    try:
        if found is not None:
            day, month, year, hour, minute, second = found.groups()
            number = _MONTH_NUMBERS.get(month)
            if number is not None and year >= "0100":
                return datetime(int(year), number, int(day), int(hour), int(minute), int(second), tzinfo=UTC)
        if len(value) > _DATE_LIMIT:
            return None
        # Imported when the first date in an old form comes.
        from email.utils import parsedate

        fields = parsedate(value)
        return None if fields is None else datetime(*fields[:6], tzinfo=UTC)
    except (ValueError, IndexError, TypeError, OverflowError):
        return None


def format_http_date(moment: datetime | float) -> str:
    """An IMF-fixdate.

    Args:
        moment: seconds since the epoch, or a datetime (naive means UTC). Parts of a second are rounded up, so that a
            change within the second is never reported as older than the copy that a client has.
    """
    if isinstance(moment, datetime):
        fields = moment.utctimetuple()
        if moment.microsecond:
            fields = (moment.replace(microsecond=0) + timedelta(seconds=1)).utctimetuple()
    else:
        fields = time.gmtime(math.ceil(moment))
    return (
        f"{_DAYS[fields.tm_wday]}, {fields.tm_mday:02d} {_MONTHS[fields.tm_mon - 1]} {fields.tm_year:04d}"
        f" {fields.tm_hour:02d}:{fields.tm_min:02d}:{fields.tm_sec:02d} GMT"
    )


_RANGE: Final = re.compile(r"bytes=([0-9]*)-([0-9]*)", re.IGNORECASE | re.ASCII)
# More digits than any length in octets has; int() refuses thousands, and slowly before that.
_RANGE_DIGITS: Final = 1000


def parse_range(value: str | None) -> slice[int | None, int | None, int]:
    """The one range that a Range header asks for, as a slice of the representation (RFC 9110, section 14.2).

    Args:
        value: the header's value, or None if there is none: the whole.

    Raises:
        ValueError: not exactly one range in bytes, without start and end, or with the end before the start.
    """
    if value is None:
        return slice(None, None, 1)
    found = _RANGE.fullmatch(value)
    if found is None or len(value) > _RANGE_DIGITS:
        raise ValueError("range not in acceptable format")
    first, last = found.groups()
    if first:
        start = int(first)
        if not last:
            return slice(start, None, 1)
        end = int(last) + 1
        if start >= end:
            raise ValueError("start cannot be after end")
        return slice(start, end, 1)
    if not last:
        raise ValueError("No start or end of range specified")
    # The last so many octets: -0 is 0 and so the whole, as in aiohttp.
    return slice(-int(last), None, 1)


class RequestHeaderMap(Protocol):
    """As much as is asked here of a multidict with a request's headers."""

    def getall(self, key: str, default: tuple[str, ...], /) -> list[str] | tuple[str, ...]: ...


def _combined(headers: RequestHeaderMap, name: str) -> str:
    # RFC 9110, section 5.3: lines of the same name are one list.
    return ", ".join(headers.getall(name, ()))


def failed_precondition(headers: RequestHeaderMap, *, method: str, etag: str, modified: int) -> int | None:
    """The status to answer with instead of the representation: 304, 412, or None where nothing hinders it.

    The order is that of RFC 9110, section 13.2.2. To be asked only where the answer without any condition would be a
    2xx (section 13.2.1).

    Args:
        headers: the request's.
        method: the request's.
        etag: the strong tag of the representation, without quotes.
        modified: when the representation was modified, in whole seconds since the epoch.
    """
    if_match = _combined(headers, "If-Match")
    if if_match:
        if not etag_matches(etag, parse_etags(if_match), weak=False):
            return 412
    elif (moment := _date(headers, "If-Unmodified-Since")) is not None and modified > moment:
        return 412
    is_read = method in _READING_METHODS
    if_none_match = _combined(headers, "If-None-Match")
    if if_none_match:
        if etag_matches(etag, parse_etags(if_none_match), weak=True):
            return 304 if is_read else 412
    elif is_read and (moment := _date(headers, "If-Modified-Since")) is not None and modified <= moment:
        return 304
    return None


_READING_METHODS: Final = frozenset({"GET", "HEAD"})


def range_still_holds(headers: RequestHeaderMap, *, etag: str, modified: int) -> bool:
    """Whether If-Range lets the Range count: the client has a part of these very octets, or does not ask.

    Arguments as for `failed_precondition`. Tags and dates must be equal (RFC 9110, section 13.1.5).
    """
    values = headers.getall("If-Range", ())
    if not values:
        return True
    if len(values) > 1:
        return False
    tag = parse_etag(values[0])
    if tag is not None:
        return tag.value != ETAG_ANY and etag_matches(etag, (tag,), weak=False)
    moment = _date(headers, "If-Range")
    return moment is not None and modified == moment


def _date(headers: RequestHeaderMap, name: str) -> int | None:
    values = headers.getall(name, ())
    # RFC 9110, sections 13.1.3 and 13.1.4: what is no date, or more than one, is ignored.
    moment = parse_http_date(values[0]) if len(values) == 1 else None
    return None if moment is None else int(moment.timestamp())

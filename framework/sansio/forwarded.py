"""The Forwarded header (RFC 7239), read leniently: what is malformed is left out, and nothing raises."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

__all__ = ("parse_forwarded",)

_NAME: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_QUOTED: Final = r'"(?:[\t !#-\[\]-~]|\\[\t -~])*"'
# RFC 7239, section 4. A port may follow without the quotes that it needs: proxies send that.
_PAIR: Final = re.compile(rf"({_NAME})=({_NAME}|{_QUOTED})(:[0-9]{{1,4}})?")
_QUOTED_PAIR: Final = re.compile(r"\\(.)")


def parse_forwarded(values: Iterable[str]) -> tuple[Mapping[str, str], ...]:
    """What each proxy said, the one nearest to the client first.

    Args:
        values: the values of all Forwarded headers, in order.

    Returns:
        One mapping for each element, with lower-case parameter names. An element is empty where it is malformed, so
        that the count stays right. These are claims: any client can send them.
    """
    elements: list[Mapping[str, str]] = []
    for value in values:
        element: dict[str, str] = {}
        elements.append(MappingProxyType(element))
        position = 0
        separated = True
        while position < len(value):
            pair = _PAIR.match(value, position)
            if pair is not None and separated:
                name, text, port = pair.groups()
                if text[0] == '"':
                    text = _QUOTED_PAIR.sub(r"\1", text[1:-1])
                element[name.lower()] = text + port if port else text
                separated = False
                position = pair.end()
                continue
            character = value[position]
            if pair is not None or character not in ",; \t":
                # Malformed: nothing more of this element is believed.
                position = value.find(",", position)
                if position < 0:
                    break
            elif character == ",":
                element = {}
                elements.append(MappingProxyType(element))
                separated = True
                position += 1
            else:
                separated = separated or character == ";"
                position += 1
    return tuple(elements)

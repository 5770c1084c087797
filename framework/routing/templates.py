r"""The path templates of dynamic resources: ``/users/{id}/files/{tail:.*}``.

A template is literal text and ``{name}`` or ``{name:regex}`` parts. It is read three ways: as a regular expression
over a whole path, as a formatter for ``url_for``, and as a sequence of segments for the matcher's tree. The third is
possible up to the first part whose expression could match a ``/``: `Template.open` tells that there is one.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from yarl import URL

__all__ = ("Segment", "Template", "is_dynamic", "quote_path", "requote_path")

_NAME = r"[_a-zA-Z][_a-zA-Z0-9]*"
_PART = re.compile(r"(\{" + _NAME + r"(?::[^{}]*(?:\{[^{}]*\}[^{}]*)*)?\})")
_PLAIN_PART = re.compile(r"\{(?P<name>" + _NAME + r")\}")
_REGEX_PART = re.compile(r"\{(?P<name>" + _NAME + r"):(?P<regex>.+)\}")

#: What ``{name}`` matches: one or more characters of a single segment.
ANY_SEGMENT = r"[^{}/]+"

# A regular expression made of these tokens alone can match no "/". Anything else ("." or "\S", look-arounds,
# back-references, flags) makes the part open, which costs a test by regular expression and is never wrong.
_SLASHLESS = r"""(?:
        [A-Za-z0-9_\-,:;=@~\ %&!]                              # literal text
      | \\[dws\-.+*?()\[\]{}|\\]                               # digits, word characters, white space, quoted marks
      | \[(?:[A-Za-z]-[A-Za-z]|[0-9]-[0-9]|\\[dw\-.]|[A-Za-z0-9_.+*~,:;=@%]|-(?=\]))+\]   # a class without "/"
      | \[\^(?:[A-Za-z0-9_{}.])*/(?:[A-Za-z0-9_{}.])*\]        # a negated class with "/"
      | \((?:\?:)? | \) | \|                                   # groups without a name, alternatives
      | [?*+]\??                                               # quantifiers
      | \{[0-9]+(?:,[0-9]*)?\}
    )*"""


def is_dynamic(path: str) -> bool:
    """Whether ``path`` is a template rather than a plain path."""
    return "{" in path or "}" in path


def quote_path(path: str) -> str:
    """``path`` percent-encoded, slashes excepted."""
    return URL.build(path=path, encoded=False).raw_path


def requote_path(path: str) -> str:
    """``path`` percent-encoded as aiohttp encodes the literal text of templates and prefixes; ``%XX`` stays."""
    quoted = quote_path(path)
    if "%" in path:
        quoted = quoted.replace("%25", "%")
    return quoted


class Segment(NamedTuple):
    """What stands between two slashes of a template.

    ``literal`` is its text where it has no dynamic part, ``pattern`` the expression that a segment of the path must
    match as a whole where ``{name}`` alone would not say it; neither is given for a bare ``{name}``.
    """

    literal: str | None
    pattern: re.Pattern[str] | None


class Template:
    """A parsed template.

    Raises ValueError for unbalanced braces, names that are no identifiers, a repeated name and expressions that do
    not compile.
    """

    __slots__ = ("formatter", "names", "open", "orig_path", "pattern", "segments")

    def __init__(self, path: str) -> None:
        expression = ""
        formatter = ""
        names: list[str] = []
        drafts = [_Draft()]
        first_open: int | None = None
        for text in _PART.split(path):
            plain = _PLAIN_PART.fullmatch(text)
            part = plain or _REGEX_PART.fullmatch(text)
            if part is None:
                if "{" in text or "}" in text:
                    raise ValueError(f"Invalid path {path!r}[{text!r}]: braces must enclose a name or name:regex")
                text = requote_path(text)
                formatter += text
                expression += re.escape(text)
                head, *others = text.split("/")
                drafts[-1].add_literal(head)
                for other in others:
                    drafts.append(_Draft())
                    drafts[-1].add_literal(other)
                continue
            name = part["name"]
            rule = ANY_SEGMENT if plain else part["regex"]
            names.append(name)
            formatter += "{" + name + "}"
            expression += f"(?P<{name}>{rule})"
            drafts[-1].add_group(f"(?P<{name}>{rule})", bare=plain is not None)
            if plain is None and first_open is None and not re.fullmatch(_SLASHLESS, rule, re.VERBOSE):
                first_open = len(drafts) - 1
        try:
            self.pattern = re.compile(expression)
        except re.error as exc:
            raise ValueError(f"Bad pattern {expression!r}: {exc}") from None
        segments: list[Segment] = []
        self.open = False
        for index, draft in enumerate(drafts):
            segment = draft.finish() if index != first_open else None
            if segment is None:
                self.open = True
                break
            segments.append(segment)
        self.orig_path = path
        self.formatter = formatter
        self.names = tuple(names)
        self.segments = tuple(segments)


class _Draft:
    """A segment while its template is being read."""

    __slots__ = ("bare", "expression", "groups", "literal")

    def __init__(self) -> None:
        self.literal = ""
        self.expression = ""
        self.groups = 0
        self.bare = True

    def add_literal(self, text: str) -> None:
        self.literal += text
        self.expression += re.escape(text)

    def add_group(self, expression: str, *, bare: bool) -> None:
        self.expression += expression
        self.groups += 1
        self.bare = self.bare and bare

    def finish(self) -> Segment | None:
        """The segment, or None where its expression makes no sense without its neighbours."""
        if not self.groups:
            return Segment(self.literal, None)
        if self.groups == 1 and self.bare and not self.literal:
            return Segment(None, None)
        try:
            return Segment(None, re.compile(self.expression))
        except re.error:
            return None

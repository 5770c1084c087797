"""What a failed handler answers in debug mode: a page for browsers, a text for everybody else.

Whatever the page shows goes through `_text`, which escapes it. There is nothing in it that could run: no script, no
form, no link, nothing from elsewhere; and its Content-Security-Policy forbids a browser to run anything that might
have got in all the same.
"""

from __future__ import annotations

import base64
import hashlib
import html
import pkgutil
from collections.abc import Iterator
from itertools import groupby
from string import Template
from typing import Final

from framework import hdrs
from framework.debug.circumstances import Asked, Rows, describe_environment, describe_request
from framework.debug.source import SourceLine
from framework.debug.tracebacks import Call, Raised, describe, format_text
from framework.responses import Response
from framework.typedefs import Scope

__all__ = ("debug_page", "debug_text")

_MAX_TITLE: Final = 200

#: How many calls of an exception are shown with their lines before they are asked for.
_MAX_OPEN: Final = 6

#: What is shown as its escape: control characters, which terminals obey, and those that turn the direction of text
#: round, by which a line of source can look like another.
_INVISIBLE: Final = {
    **{code: f"\\x{code:02x}" for code in (*range(32), *range(0x7F, 0xA0)) if chr(code) not in "\t\n"},
    **{code: f"\\u{code:04x}" for code in (*range(0x2028, 0x202F), *range(0x2066, 0x206A))},
}


def debug_text(scope: Scope, title: str, exc: BaseException) -> Response:
    """The traceback and the request line, as plain text."""
    asked = describe_request(scope)
    told = "\n".join(
        f"{name}: {value}"
        for name, value in (
            ("Request", f"{asked.method} {asked.target}"),
            ("Route", asked.route),
            ("Handler", " ".join(filter(None, (asked.handler, asked.handler_place)))),
        )
        if value
    )
    return _finished(Response(text=_plain(f"{title}\n\n{format_text(exc)}\n{told}\n")))


def debug_page(scope: Scope, title: str, exc: BaseException, *, began: float) -> Response:
    """The page. ``began`` is the time when the program began, as `describe` takes it."""
    style = _file("page.css")
    raised = describe(exc, newer_than=began)
    asked = describe_request(scope)
    page = Template(_file("page.html")).substitute(
        title=_text(f"{raised.kind}: {' '.join(raised.message.split())}"[:_MAX_TITLE] + f" ({title})"),
        style=style,
        status=_text(title),
        headline=_headline(raised, "h1"),
        method=_text(asked.method),
        target=_text(asked.target),
        handler=_handler(asked),
        exceptions=_exceptions(raised),
        request="\n".join(_table(heading, rows) for heading, rows in asked.tables),
        environment=_table("", describe_environment()),
        text=_text(format_text(exc)),
    )
    response = _finished(Response(text=page, content_type="text/html"))
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    # Not frame-ancestors: editors show pages in frames, and there is nothing here that a click could do.
    response.headers[hdrs.CONTENT_SECURITY_POLICY] = (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    return response


def _finished(response: Response) -> Response:
    response.headers[hdrs.CACHE_CONTROL] = "no-store"
    response.headers[hdrs.X_CONTENT_TYPE_OPTIONS] = "nosniff"
    response.headers[hdrs.REFERRER_POLICY] = "no-referrer"
    return response


def _file(name: str) -> str:
    # By the loader, which finds it in a zip file as well.
    data = pkgutil.get_data(__package__, name)
    if data is None:
        raise FileNotFoundError(f"{name} of {__package__}")
    # As browsers read it before they compute the digest of the style.
    return data.decode().replace("\r\n", "\n")


def _plain(text: str) -> str:
    return text.translate(_INVISIBLE).encode("utf-8", "backslashreplace").decode()


def _text(text: str) -> str:
    return html.escape(_plain(text))


def _exceptions(raised: Raised) -> str:
    hint = ' <span class="hint">most recent call first</span>' if raised.calls else ""
    return (
        f'<section aria-labelledby="traceback">\n<h2 id="traceback">Traceback{hint}</h2>\n{_body(raised)}\n</section>\n'
        f"{_origins(raised, 'h2')}"
    )


def _origins(raised: Raised, heading: str) -> str:
    """What an exception came of, and what that came of."""
    parts = []
    while raised.origin is not None:
        raised = raised.origin
        words = "Caused by" if raised.relation == "cause" else "Raised while handling"
        parts.append(
            f'<section class="origin">\n<{heading}>{words}</{heading}>\n{_headline(raised, "p")}\n{_body(raised)}\n'
            "</section>\n"
        )
    if raised.cut_off:
        parts.append('<p class="gap">What that came of is left out: there are too many exceptions.</p>\n')
    return "".join(parts)


def _headline(raised: Raised, tag: str) -> str:
    """The class of an exception, its message and its notes."""
    module, dot, name = raised.kind.rpartition(".")
    kind = f'<span class="module">{_text(module + dot)}</span>{_text(name)}'
    # A long one is scrolled, by those without a mouse as well.
    scrolled = ' tabindex="0"' if len(raised.message) > _MAX_TITLE else ""
    message = f'\n<pre class="message"{scrolled}>{_text(raised.message)}</pre>' if raised.message else ""
    notes = "".join(f'\n<p class="note">{_text(note)}</p>' for note in raised.notes)
    return f'<{tag} class="kind">{kind}</{tag}>{message}{notes}'


def _body(raised: Raised) -> str:
    """The calls that raised an exception, and the members of a group."""
    parts = [] if raised.syntax is None else [_call(raised.syntax, is_open=True)]
    parts.extend(_calls(raised.calls, may_open=raised.syntax is None))
    if raised.omitted:
        parts.append(f'<p class="gap">{raised.omitted} calls are left out</p>')
        parts.extend(_calls(raised.outer_calls, may_open=False))
    if not parts:
        parts.append('<p class="gap">It has no traceback: nothing has raised it.</p>')
    total = len(raised.members) + raised.more_members
    for number, member in enumerate(raised.members, 1):
        parts.append(
            f'<section class="member">\n<h3>Exception {number} of {total} in the group</h3>\n{_headline(member, "p")}\n'
            f"{_body(member)}\n{_origins(member, 'h4')}</section>"
        )
    if raised.more_members:
        parts.append(f'<p class="gap">{raised.more_members} more exceptions of the group are left out</p>')
    return "\n".join(parts)


def _calls(calls: list[Call], *, may_open: bool) -> Iterator[str]:
    """Calls of the program's own, the first of each place open, and between them those of libraries, folded."""
    opened: set[tuple[str, int]] = set()
    has_own = any(call.library is None for call in calls)
    for is_own, group in groupby(calls, lambda call: call.library is None):
        if not is_own:
            yield _folded(list(group), is_open=may_open and not has_own)
            continue
        for call in group:
            is_open = may_open and (call.file, call.line) not in opened and len(opened) < _MAX_OPEN
            opened.add((call.file, call.line))
            yield _call(call, is_open=is_open)


def _folded(calls: list[Call], *, is_open: bool) -> str:
    libraries = ", ".join(dict.fromkeys(_text(call.library or "") for call in calls))
    count = sum(call.times for call in calls)
    shown = "\n".join(_call(call, is_open=is_open and number == 0) for number, call in enumerate(calls))
    return (
        f'<details class="library"{" open" * is_open}>\n'
        f"<summary>{count} call{'s' * (count > 1)} in {libraries}</summary>\n{shown}\n</details>"
    )


def _call(call: Call, *, is_open: bool) -> str:
    function = f" in <code><b>{_text(call.function)}</b></code>" if call.function else ""
    times = f' <span class="times">{call.times} times in a row</span>' if call.times > 1 else ""
    remark = f'\n<p class="remark">{_text(call.remark)}</p>' if call.remark else ""
    source = ""
    if call.source:
        lines = "".join(map(_line, call.source))
        source = f'\n<pre class="source"><code>{lines}</code></pre>'
    return (
        f'<details class="call"{" open" * is_open}>\n<summary><code class="name">{_text(call.name)}</code>, '
        f"line {call.line}{function}{times}</summary>{source}{remark}{_variables(call)}\n</details>"
    )


def _line(line: SourceLine) -> str:
    text = _text(line.text)
    if line.start < line.end:
        before, marked, after = line.text[: line.start], line.text[line.start : line.end], line.text[line.end :]
        text = f"{_text(before)}<mark>{_text(marked)}</mark>{_text(after)}"
    return f'<span class="line{" failing" * line.failing}" data-number="{line.number}">{text}\n</span>'


def _variables(call: Call) -> str:
    if not call.variables:
        return ""
    rows = [*call.variables, *([("…", f"{call.more_variables} more")] if call.more_variables else [])]
    count = len(call.variables) + call.more_variables
    return (
        f'\n<details class="variables">\n<summary>{count} local variable{"s" * (count > 1)}</summary>\n'
        f"{_table('', rows)}\n</details>"
    )


def _handler(asked: Asked) -> str:
    if not asked.handler:
        return ""
    place = f' <span class="hint">{_text(asked.handler_place)}</span>' if asked.handler_place else ""
    return f" for <code>{_text(asked.handler)}</code>{place}"


def _table(caption: str, rows: Rows) -> str:
    heading = f"<caption>{_text(caption)}</caption>\n" if caption else ""
    body = "\n".join(f'<tr><th scope="row">{_text(name)}</th><td>{_text(value)}</td></tr>' for name, value in rows)
    return f"<table>\n{heading}{body}\n</table>"

"""Path templates: what they match, what they format, and what is no template."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from framework import web
from framework.routing.templates import Template, is_dynamic


@pytest.mark.parametrize(
    ("path", "dynamic"), [("/", False), ("/a%20b", False), ("/{a}", True), ("/{a:x{2}}", True), ("/}", True)]
)
def test_is_dynamic(path: str, dynamic: bool) -> None:
    assert is_dynamic(path) is dynamic


@pytest.mark.parametrize(
    ("path", "names", "formatter"),
    [
        ("/{a}", ("a",), "/{a}"),
        ("/x/{a}/{b}", ("a", "b"), "/x/{a}/{b}"),
        (r"/{a:\d+}", ("a",), "/{a}"),
        (r"/{a:\d{2,4}}-{_b1}", ("a", "_b1"), "/{a}-{_b1}"),
        ("/{tail:.*}", ("tail",), "/{tail}"),
        ("/ü/{a}", ("a",), "/%C3%BC/{a}"),
        ("/a b/{a}", ("a",), "/a%20b/{a}"),
        ("/a%20b/{a}", ("a",), "/a%20b/{a}"),
    ],
)
def test_names_and_formatter(path: str, names: tuple[str, ...], formatter: str) -> None:
    template = Template(path)
    assert (template.names, template.formatter, template.orig_path) == (names, formatter, path)


@pytest.mark.parametrize(
    "path",
    ["/{", "/}", "/{}", "/{1a}", "/{a", "/a}", "/{a}}", "/{{a}}", "/{a-b}", "/{a:}", "/{a:(}", "/{a}/{a}", "/{a:[}"],
)
def test_what_is_no_template(path: str) -> None:
    with pytest.raises(ValueError, match=r"(?i)path|pattern"):
        Template(path)


@pytest.mark.parametrize(
    ("path", "segments", "is_open"),
    [
        ("/a/{b}", ["", "a", None], False),
        (r"/{b:\d+}/c", ["", r"(?P<b>\d+)", "c"], False),
        ("/{b:[^/]+}/c", ["", "(?P<b>[^/]+)", "c"], False),
        ("/a.{b}", ["", r"a\.(?P<b>[^{}/]+)"], False),
        ("/a/{b:.*}/c", ["", "a"], True),
        ("/a/{b:[^x]+}", ["", "a"], True),
        (r"/a/{b:\S+}", ["", "a"], True),
        ("/a/{b:(?=x).}", ["", "a"], True),
        ("/{b}/{c:.*}", ["", None], True),
    ],
)
def test_segments_as_far_as_no_part_may_span_them(path: str, segments: list[str | None], is_open: bool) -> None:
    template = Template(path)
    found = [segment.literal if segment.pattern is None else segment.pattern.pattern for segment in template.segments]
    assert found == segments
    assert template.open is is_open


EXPRESSIONS = [
    r"\d+",
    "[ab]+",
    "a|b",
    "[^/]*",
    "(?:a|b)?",
    "x{1,2}",
    r"\w\.\w",
    ".",
    "a/b",
    r"[a-z\-]+",
    "(?i:a)",
    r"[\d.]",
]


@settings(derandomize=True, max_examples=300, deadline=None)
@given(
    expression=st.sampled_from(EXPRESSIONS),
    around=st.sampled_from(["", "a", ".", "-"]),
    path=st.text("ab/x1.-", max_size=8),
)
def test_the_segments_match_what_the_whole_expression_matches(expression: str, around: str, path: str) -> None:
    template = Template(f"/{around}{{p:{expression}}}/end")
    path = f"/{around}{path}/end"
    whole = template.pattern.fullmatch(path) is not None
    if template.open:
        return
    texts = path.split("/")
    by_segments = len(texts) == len(template.segments) and all(
        segment.literal == text if segment.pattern is None else segment.pattern.fullmatch(text) is not None
        for segment, text in zip(template.segments, texts, strict=True)
    )
    assert whole == by_segments


@settings(derandomize=True, max_examples=300, deadline=None)
@given(value=st.text(min_size=1, max_size=8).filter(lambda text: not set(text) & set("{}") and text not in {".", ".."}))
def test_url_for_is_undone_by_matching(value: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        return
    resource = web.DynamicResource("/x/{part}/y")
    url = resource.url_for(part=value)
    path = url.path_safe
    if "/" in value:
        # As in aiohttp: a slash given to url_for is a separator.
        return
    assert resource.match(path) == {"part": value}


def test_url_for_names_what_is_wrong() -> None:
    resource = web.DynamicResource("/x/{part}")
    with pytest.raises(KeyError, match="part"):
        resource.url_for()
    with pytest.raises(TypeError, match="convert it with str"):
        resource.url_for(part=1)  # type: ignore[arg-type]

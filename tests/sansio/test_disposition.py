"""Content-Disposition: what browsers, curl, httpx and mail programs write, and what nobody should."""

from __future__ import annotations

import os

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from framework.sansio.disposition import disposition_parameter, parse_disposition, parse_form_names, safe_filename


def names(header: str) -> tuple[str | None, str | None]:
    return parse_form_names(f"form-data; {header}")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ('name="a"', ("a", None)),
        ('name="a"; filename="x.txt"', ("a", "x.txt")),
        ('name="a"; filename=""', ("a", "")),
        ('name=""', ("", None)),
        ('name="é"; filename="€.txt"', ("é", "€.txt")),
    ],
)
def test_browsers(header: str, expected: tuple[str | None, str | None]) -> None:
    assert names(header) == expected


def test_what_browsers_escape_stays_escaped() -> None:
    # The URL Standard's way for form-data; a name with these characters looks the same, and aiohttp leaves them.
    assert names('name="a%22b"; filename="x%0D%0Ay.txt"') == ("a%22b", "x%0D%0Ay.txt")


def test_curl_escapes_with_backslashes() -> None:
    assert names(r'name="a\"b"; filename="x\"\\y.txt"') == ('a"b', r'x"\y.txt')


def test_semicolons_in_quotes() -> None:
    assert names('name="a"; filename="a;b;c.txt"') == ("a", "a;b;c.txt")


def test_a_browser_leaves_a_backslash_before_the_last_quote() -> None:
    assert names('name="a"; filename="odd\\"') == ("a", "odd\\")


def test_tokens_and_spaces() -> None:
    assert names(' name = a ;filename = "x" ;') == ("a", "x")


@pytest.mark.parametrize("path", [r"C:\fakepath\x.txt", r"\\server\share\x.txt", r"D:\x.txt"])
def test_full_paths_of_old_browsers(path: str) -> None:
    assert names(f'name="a"; filename="{path}"') == ("a", "x.txt")


def test_slashes_in_front_are_dropped() -> None:
    assert names('name="a"; filename="/etc/passwd"') == ("a", "etc/passwd")


def test_the_extended_parameter_comes_first() -> None:
    assert names("name=a; filename=\"x\"; filename*=UTF-8'en'%e2%82%ac") == ("a", "€")
    assert names("name=a; filename*=iso-8859-1''%E9; filename=x") == ("a", "é")


@pytest.mark.parametrize("value", ["utf-8''%ff", "nope''x", "x", "rot13''x", "utf-8''%\udcff"])
def test_an_extended_parameter_that_cannot_be_decoded_is_dropped(value: str) -> None:
    assert names(f'name="a"; filename="x"; filename*={value}') == ("a", "x")


def test_continued_parameters() -> None:
    assert names('name="a"; filename*0="x"; filename*1="y.txt"') == ("a", "xy.txt")
    assert names("name=a; filename*0*=utf-8''%e2%82; filename*1*=%ac; filename*2=.txt") == ("a", "€.txt")
    assert names("name=a; filename*1=x") == ("a", None)


def test_control_characters_are_dropped_from_names() -> None:
    assert names("name=a; filename*=utf-8''a%0ab%00%c2%85.txt") == ("a", "ab.txt")


@pytest.mark.parametrize(
    "header",
    ["", ";", "a b", "form-data; name", 'form-data; name="a', 'form-data; name="a"x', "form-data; name=a; name=b"],
)
def test_what_cannot_be_read(header: str) -> None:
    disposition = parse_disposition(header)
    assert disposition.type is None
    assert disposition.is_malformed
    assert parse_form_names(header) == (None, None)


def test_types_and_names_of_parameters_are_lower_case() -> None:
    assert parse_disposition('Form-Data; NAME="A"')[:2] == ("form-data", {"name": "A"})


@settings(derandomize=True, max_examples=300, deadline=None)
@given(st.text(max_size=100))
@example("form-data; filename*=utf-8''\udcff")
@example("form-data; filename*0*=\udcff")
def test_nothing_raises(header: str) -> None:
    disposition = parse_disposition(header)
    disposition_parameter(disposition.parameters)
    parse_form_names(header)


# --- Names for files --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("filename", "expected"),
    [
        ("x.txt", "x.txt"),
        ("Grüße aus Köln.pdf", "Grüße aus Köln.pdf"),
        ("../../etc/passwd", "passwd"),
        (r"..\..\x.txt", "x.txt"),
        ("a/b\\c.txt", "c.txt"),
        (".bashrc", "bashrc"),
        ("..", "unnamed"),
        ("", "unnamed"),
        ("folder/", "unnamed"),
        ("x.txt.", "x.txt"),
        ("x.txt ", "x.txt"),
        ("C:x.txt", "C_x.txt"),
        ("x.txt:stream", "x.txt_stream"),
        ("CON", "_CON"),
        ("nul.txt", "_nul.txt"),
        ("com1.tar.gz", "_com1.tar.gz"),
        ("console.txt", "console.txt"),
        ("a\x00b\nc.txt", "a_b_c.txt"),
        ("\udce9.txt", "_.txt"),
        ('<a href="x">|?*', "_a href=_x_____"),
    ],
)
def test_safe_names(filename: str, expected: str) -> None:
    assert safe_filename(filename) == expected


def test_long_names_keep_their_suffix() -> None:
    name = safe_filename("ä" * 300 + ".txt")
    assert name == "ä" * 125 + ".txt"
    assert len(name.encode()) <= 255
    assert len(safe_filename("x." + "y" * 300)) == 255


@settings(derandomize=True, max_examples=300, deadline=None)
@given(st.text(max_size=400))
def test_a_safe_name_is_one_component(filename: str) -> None:
    name = safe_filename(filename)
    assert name not in {"", ".", ".."}
    assert os.path.basename(name) == name  # noqa: PTH119 - of a text, not of a file
    assert "\\" not in name
    assert len(name.encode()) <= 255
    assert safe_filename(name) == name

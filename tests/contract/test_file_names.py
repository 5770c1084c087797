"""The name and the file name of a part, by RFC 7578, RFC 6266, RFC 8187 and RFC 2231, and as clients write them."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

import pytest

from tests.contract.backends import Backend
from tests.contract.modules import PACKAGES
from tests.contract.multiparts import first_part, form_items, multipart, part, submit

# aiohttp warns a program of what its clients send; this package does not.
pytestmark = [
    pytest.mark.filterwarnings("ignore::aiohttp.multipart.BadContentDispositionHeader"),
    pytest.mark.filterwarnings("ignore::aiohttp.multipart.BadContentDispositionParam"),
]


async def names(backend: Backend, disposition: bytes | str) -> tuple[str | None, str | None]:
    """Name and file name of a part with this Content-Disposition."""

    async def look(part: Any) -> Any:
        return part.name, part.filename

    value = disposition.encode() if isinstance(disposition, str) else disposition
    body = b"--b\r\nContent-Disposition: " + value + b"\r\n\r\n1\r\n--b--\r\n"
    found: tuple[str | None, str | None] = await submit(backend, first_part(look), body)
    return found


async def filename(backend: Backend, parameters: bytes | str) -> str | None:
    """The file name of the part with the name `a` and these parameters."""
    head = b'form-data; name="a"; '
    name, filename = await names(backend, head + (parameters.encode() if isinstance(parameters, str) else parameters))
    assert name == "a"
    return filename


# --- filename -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameter", "expected"),
    [
        ('filename="f.txt"', "f.txt"),
        ("filename=f.txt", "f.txt"),
        ('filename = "f.txt"', "f.txt"),
        ('FileName="f.txt"', "f.txt"),
        ('filename=""', ""),
        ('filename=" f "', " f "),
        ('filename="größe ☃ 😀.txt"', "größe ☃ 😀.txt"),
        ('filename="a;b=c, d.txt"', "a;b=c, d.txt"),
        ('filename="it\'s"', "it's"),
        ("filename=it's", "it's"),
        ("filename='f.txt'", "'f.txt'"),
        ('filename=".."', ".."),
        ('filename="dir/f.txt"', "dir/f.txt"),
        ('filename="../../f.txt"', "../../f.txt"),
        ('filename="=?utf-8?b?w7w=?="', "=?utf-8?b?w7w=?="),
        ('creation-date="x"; filename="f"; size=1', "f"),
        ('x="filename=\\"g\\""; filename="f"', "f"),
    ],
)
async def test_filename(backend: Backend, parameter: str, expected: str) -> None:
    assert await filename(backend, parameter) == expected


@pytest.mark.parametrize("value", ["a%22b", "a%0D%0Ab", "%C3%BC.txt", "100%", "%", "%zz"])
async def test_percent_of_a_filename_stays(backend: Backend, value: str) -> None:
    assert await filename(backend, f'filename="{value}"') == value


@pytest.mark.parametrize(
    ("value", "expected"), [(r"a\"b", 'a"b'), (r"\"a\"", '"a"'), (r"a\\b", r"a\b"), (r"a\\", "a\\"), (r"a\b", "ab")]
)
async def test_quoted_pairs_of_a_filename(backend: Backend, value: str, expected: str) -> None:
    assert await filename(backend, f'filename="{value}"') == expected


async def test_filename_in_latin_1(backend: Backend) -> None:
    assert await filename(backend, b'filename="gr\xf6\xdfe.txt"') == "gr\udcf6\udcdfe.txt"


async def test_absolute_filename_loses_its_slash(backend: Backend) -> None:
    assert await filename(backend, 'filename="/etc/passwd"') == "etc/passwd"


async def test_filename_with_a_drive(backend: Backend) -> None:
    # What old browsers on Windows send, without quoted pairs: the last name is the file's.
    expected = "C:dirf.txt" if backend.name == "aiohttp" else "f.txt"
    assert await filename(backend, r'filename="C:\dir\f.txt"') == expected


async def test_filename_with_a_tab(backend: Backend) -> None:
    expected = "a\tb" if backend.name == "aiohttp" else "ab"
    assert await filename(backend, 'filename="a\tb"') == expected


# --- filename* ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameter", "expected"),
    [
        ("filename*=UTF-8''gr%C3%B6%C3%9Fe.txt", "größe.txt"),
        ("filename*=utf-8''%e2%98%83", "☃"),
        ("filename*=UTF-8'de'gr%C3%B6%C3%9Fe", "größe"),
        ("filename*=iso-8859-1''gr%F6%DFe", "größe"),
        ("filename*=''f.txt", "f.txt"),
        ("filename*=UTF-8''a%2Fb%5Cc", "a/b\\c"),
        ("FILENAME*=UTF-8''%C3%BC", "ü"),
        ("filename=\"plain.txt\"; filename*=UTF-8''%C3%BC.txt", "ü.txt"),
        ("filename*=UTF-8''%C3%BC.txt; filename=\"plain.txt\"", "ü.txt"),
    ],
)
async def test_extended_filename(backend: Backend, parameter: str, expected: str) -> None:
    assert await filename(backend, parameter) == expected


@pytest.mark.parametrize("value", ["nope''%FC", "UTF-8''%FF", "plain", "UTF-8'%FC"])
async def test_extended_filename_that_is_none(backend: Backend, value: str) -> None:
    assert await filename(backend, f"filename*={value}") is None


async def test_filename_beside_an_extended_one_that_is_none(backend: Backend) -> None:
    assert await filename(backend, "filename=\"plain.txt\"; filename*=UTF-8''%FF") == "plain.txt"


async def test_extended_filename_in_quotes(backend: Backend) -> None:
    # RFC 8187, section 3.2.1, has no quotes; some clients have.
    assert await filename(backend, "filename*=\"UTF-8''%C3%BC\"") == (None if backend.name == "aiohttp" else "ü")


async def test_extended_filename_with_a_quote_inside(backend: Backend) -> None:
    expected = ("a", None) if backend.name == "aiohttp" else (None, None)
    assert await names(backend, 'form-data; name="a"; filename*=UTF-8"x"') == expected


async def test_control_characters_of_an_extended_filename(backend: Backend) -> None:
    expected = "a\0\r\nb" if backend.name == "aiohttp" else "ab"
    assert await filename(backend, "filename*=UTF-8''a%00%0D%0Ab") == expected


# --- RFC 2231, section 3 --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ('filename*0="a"; filename*1="b.txt"', "ab.txt"),
        ('filename*1="b.txt"; filename*0="a"', "ab.txt"),
        ('filename*0="a"; filename*2="c"', "a"),
        ('filename*1="b"', None),
        ("filename*0*=UTF-8''%e2%98; filename*1*=%83; filename*2=\" c\"", "☃ c"),
        ("filename*0*=UTF-8''a%20; filename*1=b", "a b"),
        ('filename*0="a"; filename*1="b"; filename="c"', "c"),
    ],
)
async def test_continued_filename(backend: Backend, parameters: str, expected: str | None) -> None:
    assert await filename(backend, parameters) == expected


# --- name -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("disposition", "expected"),
    [
        ("form-data; name=a", ("a", None)),
        ('form-data;name="a";filename="f"', ("a", "f")),
        ('form-data; filename="f"; name="a"', ("a", "f")),
        ("FORM-DATA; NAME=a", ("a", None)),
        ('form-data; name="größe"', ("größe", None)),
        ("form-data; name*=UTF-8''gr%C3%B6%C3%9Fe", ("größe", None)),
        (r'form-data; name="a\"b"', ('a"b', None)),
        (r'form-data; name="a\\b"', (r"a\b", None)),
        ('form-data; name="a%22b"', ("a%22b", None)),
        ('form-data; name="a;b"', ("a;b", None)),
        ('form-data; name=""', ("", None)),
        ("form-data", (None, None)),
        ('form-data; x="y"', (None, None)),
        ('attachment; name="a"; filename="f"', ("a", "f")),
        ("inline; filename=f", (None, "f")),
    ],
)
async def test_name(backend: Backend, disposition: str, expected: tuple[str | None, str | None]) -> None:
    assert await names(backend, disposition) == expected


# --- What is malformed ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "disposition",
    [
        "",
        "form-data;",
        "; name=a",
        "name=a",
        "form data; name=a",
        '"form-data"; name=a',
        "form-data; name",
        "form-data; name=a; filename=",
        "form-data; name=a; filename",
        "form-data; name=a; filename=f t.txt",
        'form-data; name=a; filename="unclosed',
        'form-data; name=a; filename="f" t',
        'form-data; name="a"; name="b"',
        'form-data; name="a"; filename="f"; filename="g"',
        "form-data; na me=a",
    ],
)
async def test_malformed_disposition_has_no_names(backend: Backend, disposition: str) -> None:
    assert await names(backend, disposition) == (None, None)


async def test_semicolon_at_the_end(backend: Backend) -> None:
    assert await names(backend, 'form-data; name="a"; filename="f";') == ("a", "f")


@pytest.mark.parametrize(
    ("disposition", "expected"),
    [
        ("form-data; name=a; filename=(f)", ("a", "(f)")),
        ("form-data; name=a; filename=a=b", ("a", "a=b")),
        ('form-data; name="a"; ; ;filename="f"', ("a", "f")),
    ],
)
async def test_disposition_that_is_understood_all_the_same(
    backend: Backend, disposition: str, expected: tuple[str, str]
) -> None:
    assert await names(backend, disposition) == ((None, None) if backend.name == "aiohttp" else expected)


async def test_form_tells_a_malformed_disposition_from_none(backend: Backend) -> None:
    body = multipart(part(b"1", 'Content-Disposition: form-data; name="a"; filename="unclosed'))
    with pytest.raises(ValueError, match=r"^Multipart field missing name\.$"):
        await submit(backend, form_items, body)


# --- The functions --------------------------------------------------------------------------------


@pytest.fixture(params=PACKAGES)
def module(request: pytest.FixtureRequest) -> ModuleType:
    """`aiohttp.multipart` and `framework.multipart` in turn."""
    return importlib.import_module(f"{request.param}.multipart")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, (None, {})),
        ("", (None, {})),
        ("attachment", ("attachment", {})),
        ("Attachment; FileName=f", ("attachment", {"filename": "f"})),
        ('form-data; name="a b"; x=1', ("form-data", {"name": "a b", "x": "1"})),
        ("attachment; filename*=UTF-8''%C3%BC", ("attachment", {"filename*": "ü"})),
        ('attachment; filename*0="a"; filename*1="b"', ("attachment", {"filename*0": "a", "filename*1": "b"})),
    ],
)
def test_parse_content_disposition(module: ModuleType, header: str | None, expected: Any) -> None:
    assert module.parse_content_disposition(header) == expected


@pytest.mark.parametrize("header", ["; a=b", "attachment; filename", 'attachment; filename="a'])
def test_parse_content_disposition_warns_of_a_malformed_header(module: ModuleType, header: str) -> None:
    with pytest.warns(module.BadContentDispositionHeader):
        assert module.parse_content_disposition(header) == (None, {})


@pytest.mark.parametrize("parameter", ["filename*=x", "filename*=nope''%FC", "filename*=UTF-8''%FF"])
def test_parse_content_disposition_warns_of_a_malformed_parameter(module: ModuleType, parameter: str) -> None:
    with pytest.warns(module.BadContentDispositionParam):
        assert module.parse_content_disposition(f"attachment; {parameter}; a=b") == ("attachment", {"a": "b"})


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, None),
        ({"filename": "f"}, "f"),
        ({"filename": "f", "filename*": "g"}, "g"),
        ({"filename*0": "a", "filename*1": "b"}, "ab"),
        ({"filename*0": "a", "filename*2": "b"}, "a"),
        ({"filename*1": "a"}, None),
        ({"filename*0*": "UTF-8''%C3", "filename*1*": "%BC"}, "ü"),
        ({"name": "f"}, None),
    ],
)
def test_content_disposition_filename(module: ModuleType, parameters: dict[str, str], expected: str | None) -> None:
    assert module.content_disposition_filename(parameters) == expected


def test_content_disposition_filename_of_another_parameter(module: ModuleType) -> None:
    assert module.content_disposition_filename({"name": "a", "filename": "f"}, "name") == "a"


def test_warnings_are_runtime_warnings(module: ModuleType) -> None:
    assert issubclass(module.BadContentDispositionHeader, RuntimeWarning)
    assert issubclass(module.BadContentDispositionParam, RuntimeWarning)

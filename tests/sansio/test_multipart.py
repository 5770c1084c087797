"""Multipart bodies, octets in and parts out."""

from __future__ import annotations

import base64
import contextlib
import itertools
import quopri
from collections.abc import Iterable

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from framework.sansio.multipart import (
    MultipartError,
    MultipartLimitError,
    MultipartParser,
    PartHead,
    TransferDecoder,
    align_base64,
)

Parts = list[tuple[list[tuple[str, str]], bytes]]


def parse(pieces: Iterable[bytes], boundary: str = "b") -> Parts:
    """The header fields and the content of each part."""
    parser = MultipartParser(boundary)
    parts: Parts = []
    for piece in pieces:
        for event in parser.parse(piece):
            if isinstance(event, PartHead):
                parts.append((event.fields, b""))
            elif event is not None:
                parts[-1] = (parts[-1][0], parts[-1][1] + event)
    parser.finish()
    return parts


def test_parts() -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--b\r\nx-y:  z \r\n\r\n\r\n--b--\r\n'
    assert parse([body]) == [([("Content-Disposition", 'form-data; name="a"')], b"1"), ([("X-Y", "z")], b"")]


def test_no_parts() -> None:
    assert parse([b"--b--"]) == []


def test_a_part_without_header_fields() -> None:
    assert parse([b"--b\r\n\r\nx\r\n--b--\r\n"]) == [([], b"x")]


def test_preamble_and_epilogue_are_skipped() -> None:
    assert parse([b"pre\r\n--b\r\n\r\nx\r\n--b--\r\n--b\r\n\r\ny\r\n--b--"]) == [([], b"x")]


def test_what_looks_like_a_boundary_is_content() -> None:
    content = b"\r\n--\r\n-b\r\n --b\r\n--B\r"
    assert parse([b"--b\r\n\r\n", content, b"\r\n--b--"]) == [([], content)]


def test_headers_are_utf_8_and_other_octets_are_kept() -> None:
    ((fields, _),) = parse(["--b\r\nX: é\r\nY: ".encode() + b"\xe9\r\n\r\n\r\n--b--"])
    assert fields == [("X", "é"), ("Y", "\udce9")]


def test_folded_header_fields() -> None:
    ((fields, _),) = parse([b'--b\r\nContent-Disposition: form-data;\r\n name="a"\r\n\r\n\r\n--b--'])
    assert fields == [("Content-Disposition", 'form-data; name="a"')]


@pytest.mark.parametrize("length", [0, 1, 5])
def test_the_content_length_of_a_part_is_ignored(length: int) -> None:
    ((_, content),) = parse([b"--b\r\nContent-Length: %d\r\n\r\nabc\r\n--b--" % length])
    assert content == b"abc"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"x",
        b"--b",
        b"--b\r\n",
        b"--b\r\nX: y",
        b"--b\r\nX: y\r\n\r\nz",
        b"--b\r\nX: y\r\n\r\nz\r\n--b",
        b"--b\r\nX: y\r\n\r\nz\r\n--b\r\n",
        b"--b\n\nx\n--b--\n",
        b"--b \r\n\r\nx\r\n--b--",
        b"x--b\r\n\r\nx\r\n",
        b"--b\r\n\r\nx\r\n--bb\r\n",
        b"--b\r\nX\r\n\r\n\r\n--b--",
        b"--b\r\nX Y: z\r\n\r\n\r\n--b--",
        b"--b\r\n: z\r\n\r\n\r\n--b--",
        b"--b\r\nX: a\nb\r\n\r\n\r\n--b--",
        b"--b\r\nX: a\rb\r\n\r\n\r\n--b--",
        b"--b\r\nX: a\x00b\r\n\r\n\r\n--b--",
        b"--b\r\nContent-Length: -1\r\n\r\n\r\n--b--",
        b"--b\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx\r\n--b--",
        b"--b\r\nContent-Type: text/plain\r\nContent-Type: text/html\r\n\r\nx\r\n--b--",
    ],
)
def test_what_is_malformed_or_truncated(body: bytes) -> None:
    with pytest.raises(MultipartError):
        parse([body])


def test_limits_of_header_fields() -> None:
    parser = MultipartParser("b", max_field_size=10, max_headers=2)
    with pytest.raises(MultipartLimitError, match="10 bytes a field, 2 fields"):
        list(parser.parse(b"--b\r\nX: 12345678\r\n"))
    parser = MultipartParser("b", max_field_size=10, max_headers=2)
    with pytest.raises(MultipartLimitError, match="10 bytes a field, 2 fields"):
        list(parser.parse(b"--b\r\nX: 1\r\nX: 1\r\nX: 1\r\n"))


@pytest.mark.parametrize("boundary", ["", "b" * 71, "a\r\nb", "a\x00"])
def test_boundaries_that_are_none(boundary: str) -> None:
    with pytest.raises(MultipartError):
        MultipartParser(boundary)


@pytest.mark.parametrize("boundary", ["b" * 70, "----WebKitFormBoundary7MA4YWxkTrZu0gW", "a b'()+_,-./:=?", "é"])
def test_boundaries(boundary: str) -> None:
    assert parse([f"--{boundary}\r\n\r\nx\r\n--{boundary}--".encode()], boundary) == [([], b"x")]


def test_is_complete() -> None:
    parser = MultipartParser("b")
    seen = []
    for piece in (b"--b\r\n\r\nx", b"\r\n--b\r\n", b"\r\ny\r\n--b-", b"-", b"epilogue"):
        list(parser.parse(piece))
        seen.append(parser.is_complete())
    assert seen == [False, False, False, True, True]


PIECES = [b"\r", b"\n", b"\r\n", b"-", b"--", b"b", b"--b", b"\r\n--", b"\r\n--b", b"\r\n\r\n", b"x", b"\x00", b"X: y"]
CONTENT = st.lists(st.sampled_from(PIECES)).map(b"".join)


@settings(derandomize=True, max_examples=300, deadline=None)
@given(st.lists(CONTENT.filter(lambda content: b"\r\n--b" not in b"\r\n" + content), max_size=4), st.data())
def test_any_split_gives_the_same_parts(contents: list[bytes], data: st.DataObject) -> None:
    body = b"".join(b"--b\r\nX: y\r\n\r\n%s\r\n" % content for content in contents) + b"--b--\r\n"
    cuts = sorted(data.draw(st.sets(st.integers(0, len(body)))))
    pieces = [body[start:end] for start, end in itertools.pairwise([0, *cuts, len(body)])]
    assert parse(pieces) == [([("X", "y")], content) for content in contents]


@settings(derandomize=True, max_examples=300, deadline=None)
@given(st.lists(CONTENT, max_size=8))
@example([b"--b\r\n", b"\r\n"])
def test_anything_ends_in_parts_or_in_an_error(pieces: list[bytes]) -> None:
    with contextlib.suppress(MultipartError):
        parse(pieces)


@settings(derandomize=True, max_examples=300, deadline=None)
@given(CONTENT, st.data())
@example(b"0123456789--b\r\n\r\nx\r\n--b--", None)
def test_any_split_gives_the_same_parts_or_an_error(body: bytes, data: st.DataObject | None) -> None:
    def outcome(pieces: Iterable[bytes]) -> Parts | None:
        try:
            return parse(pieces)
        except MultipartError:
            return None

    # A line feed by itself next to the name of a header field may be found out or not.
    assume(b"\n" not in body.replace(b"\r\n", b""))
    whole = outcome([body])
    assert outcome([bytes([octet]) for octet in body]) == whole
    if data is not None:
        cuts = sorted(data.draw(st.sets(st.integers(0, len(body)))))
        assert outcome(body[start:end] for start, end in itertools.pairwise([0, *cuts, len(body)])) == whole


# --- Content-Transfer-Encoding ----------------------------------------------------------------------


def transfer(encoding: str, pieces: Iterable[bytes]) -> bytes:
    decoder = TransferDecoder(encoding)
    return b"".join(decoder.decode(piece) for piece in pieces) + decoder.finish()


@settings(derandomize=True, max_examples=300, deadline=None)
@given(st.binary(max_size=200), st.integers(1, 80), st.booleans())
def test_base64_in_pieces(content: bytes, size: int, lines: bool) -> None:
    encoded = base64.encodebytes(content).replace(b"\n", b"\r\n") if lines else base64.b64encode(content)
    pieces = [encoded[start : start + size] for start in range(0, len(encoded), size)]
    assert transfer("base64", pieces) == content


@settings(derandomize=True, max_examples=300, deadline=None)
@given(st.binary(max_size=200), st.integers(1, 80))
def test_quoted_printable_in_pieces(content: bytes, size: int) -> None:
    encoded = quopri.encodestring(content)
    pieces = [encoded[start : start + size] for start in range(0, len(encoded), size)]
    assert transfer("quoted-printable", pieces) == quopri.decodestring(encoded)


@pytest.mark.parametrize("encoding", ["binary", "8BIT", " 7bit "])
def test_encodings_that_change_nothing(encoding: str) -> None:
    assert transfer(encoding, [b"a=3D", b"\xff"]) == b"a=3D\xff"


def test_an_encoding_that_does_not_exist() -> None:
    with pytest.raises(RuntimeError, match="unknown content transfer encoding: x-uuencode"):
        TransferDecoder("x-uuencode")


@pytest.mark.parametrize("encoded", [b"QUJ", b"Q", b"QQ==QUJD", b"=QQ="])
def test_base64_that_is_none(encoded: bytes) -> None:
    for pieces in ([encoded], [bytes([octet]) for octet in encoded]):
        with pytest.raises(ValueError, match=r"base64|padding"):
            transfer("base64", pieces)


@pytest.mark.parametrize(
    ("data", "end"), [(b"", 0), (b"QUJD", 4), (b"QUJDQ", 4), (b"QU\r\nJDQU", 6), (b"QUJ", 0), (b"\r\n", 2)]
)
def test_groups_of_base64(data: bytes, end: int) -> None:
    assert align_base64(data) == end

"""Content codings, made and undone."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from framework.sansio import codings
from framework.sansio.codings import ContentDecoder, ContentEncoder, DecodingError, available_codings, check_coding

CODINGS = ("zstd", "br", "deflate", "gzip")


def encoded(coding: str, *pieces: bytes) -> bytes:
    encoder = ContentEncoder(coding)
    return b"".join([*map(encoder.encode, pieces), encoder.finish()])


def decoded(coding: str, *pieces: bytes) -> bytes:
    decoder = ContentDecoder(coding)
    body = b"".join(part for piece in pieces for part in decoder.decode(piece))
    decoder.finish()
    return body


@pytest.fixture
def no_libraries(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An environment without brotli and zstd."""
    for name in ("brotli", "brotlicffi", "backports.zstd", "compression.zstd"):
        monkeypatch.setitem(sys.modules, name, None)
    caches = (codings.brotli_module, codings.zstd_module)
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()


def test_all_codings_are_there() -> None:
    assert available_codings() == CODINGS


@pytest.mark.parametrize("coding", CODINGS)
@settings(max_examples=30)
@given(pieces=st.lists(st.binary(max_size=5000), max_size=5), size=st.integers(1, 300))
def test_what_was_encoded_is_decoded_whatever_the_pieces(coding: str, pieces: list[bytes], size: int) -> None:
    body = encoded(coding, *pieces)
    cut = [body[start : start + size] for start in range(0, len(body), size)]
    assert decoded(coding, *cut) == b"".join(pieces)


@pytest.mark.parametrize("coding", CODINGS)
def test_s23_a_bomb_comes_out_in_small_pieces(coding: str) -> None:
    bomb = encoded(coding, bytes(2**24))
    assert len(bomb) < 2**15
    sizes = [len(piece) for piece in ContentDecoder(coding).decode(bomb)]
    assert sum(sizes) == 2**24
    assert max(sizes) <= 2 * codings.PIECE_SIZE


@pytest.mark.parametrize("coding", CODINGS)
def test_a_truncated_body(coding: str) -> None:
    with pytest.raises(DecodingError, match=f"content-encoding: {coding}"):
        decoded(coding, encoded(coding, b"Ada" * 1000)[:-5])


@pytest.mark.parametrize("coding", CODINGS)
def test_something_behind_the_end(coding: str) -> None:
    with pytest.raises(DecodingError, match=f"content-encoding: {coding}"):
        decoded(coding, encoded(coding, b"Ada"), b"x")


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_bodies_of_several_parts(coding: str) -> None:
    assert decoded(coding, encoded(coding, b"Ada ") + encoded(coding, b"Lovelace")) == b"Ada Lovelace"


@pytest.mark.parametrize("coding", CODINGS)
@given(body=st.binary(max_size=200))
def test_any_octets_are_decoded_or_refused(coding: str, body: bytes) -> None:
    try:
        decoded(coding, body)
    except DecodingError:
        pass


def test_s23_a_window_beyond_what_a_browser_takes_is_refused() -> None:
    zstd = codings.zstd_module()
    parameter = zstd.CompressionParameter
    compressor = zstd.ZstdCompressor(options={parameter.window_log: 27, parameter.compression_level: 1})
    body = compressor.compress(bytes(2**20)) + compressor.flush()
    with pytest.raises(DecodingError, match="zstd"):
        decoded("zstd", body)


def test_without_libraries_there_are_two_codings(no_libraries: None) -> None:
    assert available_codings() == ("deflate", "gzip")
    with pytest.raises(ValueError, match="pip install Brotli"):
        ContentEncoder("br")
    with pytest.raises(DecodingError, match=r"zstd \(the server lacks backports.zstd\)"):
        decoded("zstd", b"anything")


def test_an_unknown_coding() -> None:
    assert not ContentDecoder.supports("compress")
    with pytest.raises(ValueError, match="there are zstd, br, deflate, gzip"):
        check_coding("compress")

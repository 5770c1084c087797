"""S35: nothing that names a part can end its line and begin another header or another part."""

from __future__ import annotations

from pathlib import Path

import pytest

from framework.multipart_writer import MultipartWriter

ENDS = ["\r\nX-Injected: 1", "\nX-Injected: 1", "\rX-Injected: 1", "\r\n\r\nbody", "\0", '"\r\n--B--\r\n']


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("parameter", ["name", "filename", "title"])
async def test_s35_parameters_are_encoded(parameter: str, end: str) -> None:
    writer = MultipartWriter("form-data", "B")
    writer.append("x").set_content_disposition("form-data", True, "utf-8", **{parameter: f"a{end}"})
    _, _, _, rest = (await writer.as_bytes()).split(b"\r\n", 3)
    assert rest == b"\r\nx\r\n--B--\r\n"


@pytest.mark.parametrize("end", ENDS)
def test_s35_parameters_without_encoding_are_refused(end: str) -> None:
    part = MultipartWriter("form-data", "B").append("x")
    with pytest.raises(ValueError, match="must not contain"):
        part.set_content_disposition("form-data", quote_fields=False, filename=f"a{end}")
    assert part.headers["Content-Disposition"] == 'form-data; name="section-0"'


@pytest.mark.parametrize("end", [*ENDS, "; x", "", " x", "ü"])
def test_s35_types_and_names_of_parameters(end: str) -> None:
    part = MultipartWriter().append("x")
    with pytest.raises(ValueError, match="must be a token"):
        part.set_content_disposition(f"a{end}" if end else "")
    with pytest.raises(ValueError, match="must be a token"):
        part.set_content_disposition("form-data", True, "utf-8", **{f"a{end}" if end else "": "x"})


@pytest.mark.parametrize("end", ENDS)
def test_s35_headers(end: str) -> None:
    writer = MultipartWriter()
    for headers in ({"Content-Type": f"text/plain{end}"}, {f"X-A{end}": "1"}):
        with pytest.raises(ValueError, match=r"must not contain|Invalid header name"):
            writer.append("x", headers)
        with pytest.raises(ValueError, match=r"must not contain|Invalid header name"):
            writer.append_json("x", headers)
        with pytest.raises(ValueError, match=r"must not contain|Invalid header name"):
            writer.append("x").headers.update(headers)
        with pytest.raises(ValueError, match=r"must not contain|Invalid header name"):
            writer.headers.extend(headers)


@pytest.mark.parametrize(
    "boundary", [*(f"B{end}" for end in ENDS), "", " ", "B ", 'q"q', "B\\", "ü", "B" * 71, "B;x=y"]
)
def test_s35_boundaries(boundary: str) -> None:
    with pytest.raises(ValueError, match="bad boundary"):
        MultipartWriter("mixed", boundary)


@pytest.mark.parametrize("subtype", [*(f"mixed{end}" for end in ENDS), "", "mixed; a=b", "a b", "ü", "mixed/x"])
def test_s35_subtypes(subtype: str) -> None:
    with pytest.raises(ValueError, match="bad multipart subtype"):
        MultipartWriter(subtype)


async def test_s35_names_of_files(tmp_path: Path) -> None:
    """A file on the disk may have a name with line ends."""
    path = tmp_path / 'a"\r\nX-Injected: 1\r\n\r\n.txt'
    path.write_bytes(b"x")
    writer = MultipartWriter("mixed", "B")
    with path.open("rb") as file:
        writer.append(file)
        head, _, body = (await writer.as_bytes()).partition(b"\r\n\r\n")
    assert body == b"x\r\n--B--\r\n"
    assert b"\nX-Injected" not in head

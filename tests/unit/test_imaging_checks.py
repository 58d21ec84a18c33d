"""What may be kept as an image, and what is refused with which words."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import pytest
from PIL import Image

from orchestrator.errors import ImageRejected
from orchestrator.imaging.checks import inspect, thumbnail

FORMATS = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp", "GIF": "image/gif"}


def encoded(kind: str, size: tuple[int, int] = (41, 23), **options: Any) -> bytes:
    out = io.BytesIO()
    Image.linear_gradient("L").resize(size).convert("RGB").save(out, kind, **options)
    return out.getvalue()


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png_announcing(width: int, height: int) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\0" * 100)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", FORMATS)
def test_each_format_is_recognised(kind: str) -> None:
    data = encoded(kind)

    facts = inspect(data)

    assert (facts.format, facts.content_type) == (kind.lower(), FORMATS[kind])
    assert (facts.width, facts.height, facts.bytes) == (41, 23, len(data))


@pytest.mark.parametrize(
    "options", [{"lossless": True}, {"quality": 80}, {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"}]
)
def test_each_kind_of_webp_header_is_read(options: dict[str, object]) -> None:
    data = encoded("WEBP", (300, 170), **options)

    assert (inspect(data).width, inspect(data).height) == (300, 170)
    with pytest.raises(ImageRejected, match="300 x 170 = 51000 pixels are over the limit of 50000"):
        inspect(data, max_pixels=50_000)


def test_progressive_jpeg_is_accepted() -> None:
    assert inspect(encoded("JPEG", (300, 200), progressive=True, comment=b"<html>")).width == 300


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("keep", [0.3, 0.9])
def test_truncated_file_is_refused(kind: str, keep: float) -> None:
    data = encoded(kind, (200, 100))

    with pytest.raises(ImageRejected, match=r"truncated|damaged"):
        inspect(data[: int(len(data) * keep)])


@pytest.mark.parametrize("kind", FORMATS)
def test_last_byte_missing_is_noticed(kind: str) -> None:
    with pytest.raises(ImageRejected, match="truncated"):
        inspect(encoded(kind)[:-1])


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("tail", [b"PK\x05\x06" + bytes(18), b"<script>alert(1)</script>"])
def test_polyglot_is_refused(kind: str, tail: bytes) -> None:
    foreign = len(tail.strip(b"\0"))
    with pytest.raises(ImageRejected, match=f"{kind} carries {foreign} foreign bytes"):
        inspect(encoded(kind) + tail)


@pytest.mark.parametrize("kind", FORMATS)
def test_padding_behind_the_image_is_tolerated(kind: str) -> None:
    assert inspect(encoded(kind) + b"\0\0\r\n").width == 41


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "nothing"),
        (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        (b"\n<!DOCTYPE html><html></html>", "HTML"),
        (b'{"error": "expired"}', "JSON"),
        (b"BM" + bytes(60), "62 bytes of something else"),
        (b"GIF89a/*<svg*/", "GIF is damaged: unknown block at byte 13"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "truncated"),
        (b"\xff\xd8\xff\xe0", "truncated"),
    ],
)
def test_what_is_no_image_is_called_by_its_name(data: bytes, words: str) -> None:
    with pytest.raises(ImageRejected, match=words):
        inspect(data)


@pytest.mark.parametrize(("width", "height"), [(50_000, 50_000), (12_000, 9_000), (2_000_000_000, 1)])
def test_pixel_bomb_is_refused_before_decoding(width: int, height: int) -> None:
    with pytest.raises(ImageRejected, match=r"over the limit|too many pixels"):
        inspect(png_announcing(width, height))


def test_webp_bomb_is_refused_by_its_header() -> None:
    data = bytearray(encoded("WEBP", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"))
    assert data[12:16] == b"VP8X"
    data[24:30] = (15_999).to_bytes(3, "little") * 2

    with pytest.raises(ImageRejected, match="16000 x 16000 = 256000000 pixels are over the limit"):
        inspect(bytes(data))


def test_limit_is_the_callers() -> None:
    data = encoded("PNG", (100, 100))

    assert inspect(data, max_pixels=10_000).width == 100
    with pytest.raises(ImageRejected, match="100 x 100 = 10000 pixels are over the limit of 9999"):
        inspect(data, max_pixels=9_999)


def test_missing_pixels_are_noticed() -> None:
    with pytest.raises(ImageRejected, match="PNG cannot be decoded"):
        inspect(png_announcing(400, 400))


def test_wrong_checksum_is_noticed() -> None:
    data = bytearray(encoded("PNG"))
    data[-20] ^= 1

    with pytest.raises(ImageRejected, match="checksum"):
        inspect(bytes(data))


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_animation_is_refused(kind: str) -> None:
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue")]
    out = io.BytesIO()
    frames[0].save(out, kind, save_all=True, append_images=frames[1:])

    with pytest.raises(ImageRejected, match="animated"):
        inspect(out.getvalue())


def test_pillows_warnings_stay_inside(recwarn: pytest.WarningsRecorder) -> None:
    with pytest.raises(ImageRejected):
        inspect(png_announcing(12_000, 9_000))  # Pillow warns of these, and refuses nearly twice as many

    assert not recwarn.list


def test_thumbnail_is_small_and_whole() -> None:
    facts = inspect(thumbnail(encoded("PNG", (400, 200)), 64))

    assert (facts.format, facts.width, facts.height) == ("webp", 64, 32)

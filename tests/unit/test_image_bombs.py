"""Small files that would cost much to decode, and pictures that carry something else."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from PIL import Image

from orchestrator.errors import ImageRejected
from orchestrator.imaging.checks import inspect
from orchestrator.imaging.extent import MOST_SCANS


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(*extra: bytes, pixels: bytes | None = None) -> bytes:
    """A picture of 8 x 8 with other chunks in it."""
    packed = zlib.compress(pixels if pixels is not None else b"\0" * 25 * 8)
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(extra) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def jpeg(scans: int) -> bytes:
    """A progressive picture with its last scan repeated."""
    out = io.BytesIO()
    Image.new("RGB", (64, 64)).save(out, "JPEG", progressive=True)
    whole = out.getvalue()
    last = whole.rindex(b"\xff\xda")
    return whole[:-2] + whole[last:-2] * scans + whole[-2:]


def test_a_jpeg_of_many_scans_is_refused_before_it_is_decoded() -> None:
    """Each scan is a pass over all pixels: half a megabyte of them kept a worker, and all others, for minutes."""
    with pytest.raises(ImageRejected, match="more than 50 scans"):
        inspect(jpeg(MOST_SCANS))
    assert inspect(jpeg(10)).format == "jpeg"


BOMB = zlib.compress(b"a" * 200_000_000)


@pytest.mark.parametrize(
    "bomb",
    [
        png(chunk(b"zTXt", b"k\0\0" + BOMB)),
        png(chunk(b"iTXt", b"k\0\1\0\0\0" + BOMB)),
        png(chunk(b"iCCP", b"k\0\0" + BOMB)),
        png(chunk(b"zTXt", b"k\0\0" + zlib.compress(b"a" * 900_000)) * 100),
    ],
    ids=["text", "international text", "colour profile", "many texts"],
)
def test_a_chunk_that_unpacks_to_much_is_refused(bomb: bytes) -> None:
    with pytest.raises(ImageRejected):
        inspect(bomb)


def test_pixels_that_unpack_to_more_than_the_picture_are_not_unpacked() -> None:
    """What is behind the last row is nobody's."""
    assert inspect(png(pixels=b"\0" * 20_000_000)).width == 8


def test_what_a_picture_carries_in_its_comments_does_not_change_what_it_is() -> None:
    """Type and file name come from the decoded format, never from the bytes' or the sender's word."""
    found = inspect(png(chunk(b"tEXt", b"k\0<script>alert(1)</script>")))
    assert (found.format, found.content_type) == ("png", "image/png")


@pytest.mark.parametrize(
    "head", [b"%PDF-1.7\n", b"PK\x03\x04", b"<svg xmlns=''/>", b"<html>", b"#!/bin/sh\n", b"BM", b"II*\0"]
)
def test_a_picture_does_not_begin_with_something_else(head: bytes) -> None:
    with pytest.raises(ImageRejected, match="not a PNG, JPEG, WebP or GIF"):
        inspect(head + png())

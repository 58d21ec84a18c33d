"""Writes MP4 files of JPEG pictures: each frame is a whole JPEG, so no encoder is needed. Browsers don't play them."""

from __future__ import annotations

import struct

_MATRIX = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_JPEG = 0x6C  # the object type of ISO/IEC 10918-1
_SCALE = 600  # ticks in a second


def mp4(frames: list[bytes], width: int, height: int, rate: int) -> bytes:
    """A film of these JPEGs, all of one size, `rate` of them in a second."""
    kind = _box(b"ftyp", b"isom", struct.pack(">I", 0x200), b"isomiso2mp41")
    ticks = _SCALE // rate
    length = len(kind) + len(_movie(frames, width, height, ticks, 0))
    movie = _movie(frames, width, height, ticks, length + 8)
    return kind + movie + _box(b"mdat", *frames)


def _box(name: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I", len(body) + 8) + name + body


def _full(name: bytes, flags: int, *parts: bytes) -> bytes:
    return _box(name, struct.pack(">I", flags), *parts)


def _movie(frames: list[bytes], width: int, height: int, ticks: int, first: int) -> bytes:
    """`first`: where in the file the first frame begins."""
    length = ticks * len(frames)
    header = struct.pack(">4IIH10x", 0, 0, _SCALE, length, 0x10000, 0x100) + _MATRIX + bytes(24) + struct.pack(">I", 2)
    return _box(b"moov", _full(b"mvhd", 0, header), _track(frames, width, height, ticks, first))


def _track(frames: list[bytes], width: int, height: int, ticks: int, first: int) -> bytes:
    length = ticks * len(frames)
    size = struct.pack(">2I", width << 16, height << 16)
    shown = _full(b"tkhd", 3, struct.pack(">5I", 0, 0, 1, 0, length), bytes(16), _MATRIX, size)
    timing = _full(b"mdhd", 0, struct.pack(">4I2H", 0, 0, _SCALE, length, 0x55C4, 0))
    handler = _full(b"hdlr", 0, bytes(4), b"vide", bytes(12), b"emulator\0")
    source = _box(b"dinf", _full(b"dref", 0, struct.pack(">I", 1), _full(b"url ", 1)))
    media = _box(b"minf", _full(b"vmhd", 1, bytes(8)), source, _samples(frames, width, height, ticks, first))
    return _box(b"trak", shown, _box(b"mdia", timing, handler, media))


def _samples(frames: list[bytes], width: int, height: int, ticks: int, first: int) -> bytes:
    """One chunk with every frame."""
    count = len(frames)
    sizes = struct.pack(f">{count}I", *map(len, frames))
    return _box(
        b"stbl",
        _full(b"stsd", 0, struct.pack(">I", 1), _format(width, height)),
        _full(b"stts", 0, struct.pack(">3I", 1, count, ticks)),
        _full(b"stsc", 0, struct.pack(">4I", 1, 1, count, 1)),
        _full(b"stsz", 0, struct.pack(">2I", 0, count), sizes),
        _full(b"stco", 0, struct.pack(">2I", 1, first)),
    )


def _format(width: int, height: int) -> bytes:
    picture = struct.pack(">6xH16x2H2I4xH32xHh", 1, width, height, 0x480000, 0x480000, 1, 24, -1)
    config = b"\x04\x0d" + struct.pack(">2B3x2I", _JPEG, 0x11, 0, 0)
    stream = b"\x03" + bytes([3 + len(config) + 3]) + b"\x00\x01\x00" + config + b"\x06\x01\x02"
    return _box(b"mp4v", picture, _full(b"esds", 0, stream))

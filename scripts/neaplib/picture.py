"""Pictures of the emulated screen: PPM, which every QEMU writes, made into PNG."""

import re
import struct
import zlib

PPM_HEADER = re.compile(rb"P6\s+(\d+)\s+(\d+)\s+255\s")
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOUR_RGB = 2


def _chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def ppm_to_png(ppm):
    """The bytes of a PNG with the picture of a binary PPM of 8 bits a colour."""
    header = PPM_HEADER.match(ppm)
    if not header:
        raise ValueError("not a binary PPM of 8 bits a colour")
    width, height = int(header[1]), int(header[2])
    pixels, line = ppm[header.end():], width * 3
    if len(pixels) != line * height:
        raise ValueError(f"{len(pixels)} bytes are not {width} by {height} pixels")
    rows = b"".join(b"\0" + pixels[at:at + line] for at in range(0, len(pixels), line))
    return (PNG_SIGNATURE
            + _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, COLOUR_RGB, 0, 0, 0))
            + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b""))

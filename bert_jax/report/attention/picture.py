"""All heads of a line as one grey picture, which is both what is seen and where numbers are kept.

A pixel is 255 times the square root of a probability, so that a weight of 1% can still be seen. The
script of the page reads the numbers back out of the file, which is as simple as a PNG can be:
signature, IHDR, one IDAT, IEND, and no row filtered.
"""

import struct
import zlib

import numpy as np


def draw_heads(probabilities: np.ndarray) -> bytes:
    """Draw heads, layers downward, as a PNG.

    Args:
        probabilities: [L, N, T, T]: of each layer and head, from a token and to a token.
    """
    layers, heads, tokens, _ = probabilities.shape
    height, width = layers * tokens, heads * tokens
    grey = np.rint(255 * np.sqrt(probabilities)).astype(np.uint8)
    rows = grey.transpose(0, 2, 1, 3).reshape(height, width)
    unfiltered = np.zeros((height, 1), np.uint8)  # the byte in front of a row names its filter
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)  # 8 bits of grey
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", header)
        + _chunk(b"IDAT", zlib.compress(np.hstack([unfiltered, rows]).tobytes(), 9))
        + _chunk(b"IEND", b"")
    )


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

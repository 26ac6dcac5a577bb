"""LevelDB's table, as TensorFlow writes it: sorted keys and values in blocks with checksums.

Described in LevelDB's doc/table_format.md. The file ends in a footer that points at the index, a
block whose values point at the blocks of data; each block is followed by the kind of its
compression and a checksum.
"""

from collections.abc import Iterator

import google_crc32c

from bert_jax.interop.wire import read_varint

_MAGIC = 0xDB4775248B80FB57
_FOOTER = 48  # bytes: two handles, zeros up to 40, the magic number
_TRAILER = 5  # bytes: a block's compression and its checksum
_LONGEST_KEY = 512  # bytes; keys share beginnings, so a small file could ask for endless ones


def masked_crc32c(data: bytes) -> int:
    """Return the checksum as LevelDB and TensorFlow store it: CRC-32C, rotated and shifted."""
    checksum = google_crc32c.value(data)
    rotated = checksum >> 15 | checksum << 17
    return (rotated + 0xA282EAD8) & 0xFFFFFFFF


def read_table(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield keys and values of a whole table, every byte of it checked.

    Raises:
        ValueError: it is no such table, is damaged or compressed.
    """
    footer = content[-_FOOTER:]
    if len(footer) < _FOOTER or int.from_bytes(footer[40:], "little") != _MAGIC:
        raise ValueError("not an index of TensorFlow, or cut off: its last 8 bytes are others")
    described, at = _read_handle(footer, 0)
    index, at = _read_handle(footer, at)
    if any(footer[at:40]):
        raise ValueError("its footer is damaged")
    for _ in _entries(_block(content, *described)):  # the block about blocks: empty so far
        pass
    last = None
    for _, value in _entries(_block(content, *index)):
        handle, end = _read_handle(value, 0)
        if end != len(value):
            raise ValueError("its list of blocks is damaged")
        for key, entry in _entries(_block(content, *handle)):
            if last is not None and key <= last:
                raise ValueError("its keys are out of order")
            last = key
            yield key, entry


def _read_handle(data: bytes, at: int) -> tuple[tuple[int, int], int]:
    """Return (start, size) of a block, and where that handle ends."""
    start, at = read_varint(data, at)
    size, at = read_varint(data, at)
    return (start, size), at


def _block(content: bytes, start: int, size: int) -> bytes:
    """Return a block's bytes once its checksum has proved them."""
    end = start + size
    if end + _TRAILER > len(content) - _FOOTER:
        raise ValueError(f"a block of {size} bytes at {start} in a file of {len(content)}")
    # The checksum covers the byte that names the compression too.
    if masked_crc32c(content[start : end + 1]) != _uint32(content, end + 1):
        raise ValueError(f"the block at byte {start} has another checksum than when it was written")
    if content[end] != 0:
        raise ValueError("its blocks are compressed, which TensorFlow itself does not do")
    return content[start:end]


def _entries(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield a block's keys and values; a key says how much it shares with the one before."""
    # The end of a block lists the keys that are whole, for bisection.
    end = len(block) - 4 * (1 + _uint32(block, len(block) - 4)) if len(block) >= 4 else -1
    if end < 0:
        raise ValueError("a block ends early")
    key, at = b"", 0
    while at < end:
        shared, at = read_varint(block, at)
        fresh, at = read_varint(block, at)
        size, at = read_varint(block, at)
        if shared > len(key) or fresh + size > end - at:
            raise ValueError("an entry is longer than its block")
        if shared + fresh > _LONGEST_KEY:
            raise ValueError(f"a name of more than {_LONGEST_KEY} bytes")
        key = key[:shared] + block[at : at + fresh]
        at += fresh + size
        yield key, block[at - size : at]


def _uint32(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "little")

"""The wire format of protocol buffers: numbered fields, read without a schema.

Described at https://protobuf.dev/programming-guides/encoding.
"""


def read_varint(data: bytes, start: int) -> tuple[int, int]:
    """Return the unsigned number that begins at `start`, and where it ends.

    Raises:
        ValueError: it does not end within the data, has more than 64 bits, or is padded.
    """
    value = 0
    for place, byte in enumerate(data[start : start + 10]):
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            if value >= 1 << 64 or (byte == 0 and place > 0):  # no writer pads a number with zeros
                break
            return value, start + place + 1
    raise ValueError(f"no number at byte {start}")


def read_fields(message: bytes) -> dict[int, list[int | bytes]]:
    """Return each field's values in their order: numbers unsigned, everything else as bytes.

    Raises:
        ValueError: the message is cut off or is none.
    """
    fields: dict[int, list[int | bytes]] = {}
    at = 0
    while at < len(message):
        tag, at = read_varint(message, at)
        match tag & 7:
            case 0:
                value, at = read_varint(message, at)
            case 1 | 5 as kind:
                size = 8 if kind == 1 else 4
                value, at = int.from_bytes(_part(message, at, size), "little"), at + size
            case 2:
                size, at = read_varint(message, at)
                value, at = _part(message, at, size), at + size
            case kind:
                raise ValueError(f"no field of a message has the wire type {kind}")
        fields.setdefault(tag >> 3, []).append(value)
    return fields


def _part(message: bytes, start: int, size: int) -> bytes:
    if size > len(message) - start:
        raise ValueError(f"a field of {size} bytes in a message of {len(message)}")
    return message[start : start + size]

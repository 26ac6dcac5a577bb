"""Shapes that a file claims, before anything is allocated for them."""

_MOST_DIMENSIONS = 64  # NumPy's limit
_LARGEST_DIMENSION = (1 << 63) - 1


def count_elements(shape: tuple[int, ...]) -> int:
    """Return the number of elements of an array of this shape.

    Raises:
        ValueError: no array can have it.
    """
    if len(shape) > _MOST_DIMENSIONS:
        raise ValueError(f"a tensor of {len(shape)} dimensions")
    elements = 1
    for size in shape:
        if not 0 <= size <= _LARGEST_DIMENSION:
            raise ValueError("a tensor with an impossible dimension")
        elements *= size
    return elements

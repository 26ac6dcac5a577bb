"""An even sample of a stream whose length is not known."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np

_PIECE = 16_384  # characters; a long document does not stand for many
_LEVELS = 48  # doublings; more pieces than that many have no names


def sample_text(texts: Iterable[str], most: int) -> list[str]:
    """Return pieces of the texts, evenly spread, of about `most` characters in all.

    Keeps every n-th piece; whenever twice `most` is exceeded, n doubles. So a part of twice the
    size is all that is ever held, and the same stream gives the same sample.
    """
    kept: list[str] = []
    size = 0
    every = 1
    for i, piece in enumerate(cut_pieces(texts)):
        if i % every:
            continue
        kept.append(piece)
        size += len(piece)
        while size > 2 * most and len(kept) > 1:
            kept = kept[::2]
            size = sum(map(len, kept))
            every *= 2
    return [kept[i] for i in _thin(len(kept), size, most)]


def choose_pieces(sizes: Callable[[], Iterator[np.ndarray]], most: int) -> list[list[int]]:
    """Return which pieces `sample_text` would keep, from their sizes alone.

    Args:
        sizes: begins anew to yield the characters in each piece, a part of the text at a time.
        most: as there.

    Returns:
        for each part the numbers of its pieces, counted in the part.
    """
    counts, totals = np.zeros(_LEVELS, np.int64), np.zeros(_LEVELS, np.int64)
    start = 0
    for part in sizes():
        for level in range(_LEVELS):
            kept = part[-start % 2**level :: 2**level]
            counts[level] += len(kept)
            totals[level] += kept.sum(dtype=np.int64)
        start += len(part)
    # Sizes only grow along the stream: where it ends tells how often n has doubled.
    level = int(np.argmax((totals <= 2 * most) | (counts <= 1)))
    thinned = _thin(int(counts[level]), int(totals[level]), most)
    chosen = np.array(thinned, np.int64) * 2**level
    places, start = [], 0
    for part in sizes():
        first, last = np.searchsorted(chosen, [start, start + len(part)])
        places.append((chosen[first:last] - start).tolist())
        start += len(part)
    return places


def _thin(count: int, size: int, most: int) -> list[int]:
    """Return which of the pieces that were kept make up the sample."""
    if size <= most:
        return list(range(count))
    fewer = max(1, round(count * most / size))
    return [i * count // fewer for i in range(fewer)]


def cut_pieces(texts: Iterable[str]) -> Iterator[str]:
    """Yield texts in pieces, cut at line ends and blanks where there are any."""
    for text in texts:
        start = 0
        while len(text) - start > _PIECE:
            end = start + _PIECE
            cut = text.rfind("\n", start + 1, end)
            if cut < 0:
                cut = text.rfind(" ", start + 1, end)
            end = cut if cut > 0 else end
            yield text[start:end]
            start = end
        if start < len(text):
            yield text[start:]

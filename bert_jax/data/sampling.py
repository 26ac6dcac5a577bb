"""An even sample of a stream whose length is not known."""

from collections.abc import Iterable, Iterator

_PIECE = 16_384  # characters; a long document does not stand for many


def sample_text(texts: Iterable[str], most: int) -> list[str]:
    """Return pieces of the texts, evenly spread, of about `most` characters in all.

    Keeps every n-th piece; whenever twice `most` is exceeded, n doubles. So a part of twice the
    size is all that is ever held, and the same stream gives the same sample.
    """
    kept: list[str] = []
    size = 0
    every = 1
    for i, piece in enumerate(_pieces(texts)):
        if i % every:
            continue
        kept.append(piece)
        size += len(piece)
        while size > 2 * most and len(kept) > 1:
            kept = kept[::2]
            size = sum(map(len, kept))
            every *= 2
    if size <= most:
        return kept
    count = max(1, round(len(kept) * most / size))
    return [kept[i * len(kept) // count] for i in range(count)]


def _pieces(texts: Iterable[str]) -> Iterator[str]:
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

"""Which short sequences go together into one row."""

import numpy as np
from numpy.typing import NDArray


def pack(lengths: NDArray[np.int64], row_length: int, most: int) -> NDArray[np.int64]:
    """Fill rows by best fit, the longest sequences first.

    A sequence goes where the least room is left that takes it. All sequences of a length are placed
    at once, as in the histograms of Krell et al. 2021 (arXiv:2107.02027), so the work grows with
    the number of different lengths and hardly with that of sequences.

    Args:
        lengths: of the sequences in tokens, from 1 to `row_length`; of equally long ones the first
            is placed first.
        row_length: tokens that a row takes.
        most: sequences that a row takes.

    Returns:
        For each row the numbers of its sequences, the longest first, then -1: [rows, most].
    """
    rows = np.full((len(lengths), most), -1)
    held = np.zeros(len(lengths), np.int64)  # sequences in each row so far
    opened = 0
    with_room: dict[int, NDArray[np.int64]] = {}  # rows that take more, by the tokens they take
    order = np.argsort(-lengths, kind="stable")
    distinct, begins = np.unique(-lengths[order], return_index=True)
    for length, sequences in zip((-distinct).tolist(), np.split(order, begins)[1:], strict=True):
        while len(sequences):
            room = min((room for room in with_room if room >= length), default=0)
            if not room:
                fresh = -(-len(sequences) // min(row_length // length, most))
                room, with_room[row_length] = row_length, np.arange(opened, opened + fresh)
                opened += fresh
            taken, untouched = np.split(with_room.pop(room), [len(sequences)])
            rows[taken, held[taken]] = sequences[: len(taken)]
            held[taken] += 1
            sequences = sequences[len(taken) :]
            for left, those in ((room, untouched), (room - length, taken[held[taken] < most])):
                if left and len(those):
                    with_room[left] = np.concatenate((with_room.get(left, those[:0]), those))
    return rows[:opened]

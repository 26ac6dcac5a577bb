"""Held-out sentences with words hidden, for watching a model learn."""

from dataclasses import dataclass

import numpy as np

from bert_jax.data.shards import Split
from bert_jax.data.tokenizers import Tokenizer

SHORTEST, LONGEST = 8, 32  # tokens of a sentence worth looking at
WORDS_HIDDEN = 2


@dataclass(frozen=True)
class Sample:
    """A sentence's token ids, [CLS] and [SEP] included, and the positions to be hidden."""

    input_ids: tuple[int, ...]
    positions: tuple[int, ...]


def choose_samples(
    split: Split, tokenizer: Tokenizer, count: int, seed: int, positions: int = LONGEST + 2
) -> list[Sample]:
    """Choose sentences from a split's first shard, each with up to two whole words hidden.

    Args:
        split: held out.
        tokenizer: the split's.
        count: how many at most.
        seed: chooses them.
        positions: tokens that the model can take, [CLS] and [SEP] included.
    """
    shard = split.shards[0]
    starts = shard.sentence_offsets.astype(np.int64)
    lengths = np.diff(starts)
    suitable = np.flatnonzero((lengths >= SHORTEST) & (lengths <= min(LONGEST, positions - 2)))
    rng = np.random.default_rng([seed, len(lengths)])
    samples = []
    for sentence in rng.permutation(suitable)[: 20 * count]:
        ids = shard.tokens[starts[sentence] : starts[sentence + 1]].tolist()
        words = [place for place in range(len(ids)) if _is_word(ids, place, tokenizer)]
        if len(words) < 2 * WORDS_HIDDEN:
            continue
        hidden = sorted(rng.choice(words, WORDS_HIDDEN, replace=False) + 1)
        samples.append(
            Sample((tokenizer.cls_id, *ids, tokenizer.sep_id), tuple(int(p) for p in hidden))
        )
        if len(samples) == count:
            break
    return samples


def _is_word(ids: list[int], place: int, tokenizer: Tokenizer) -> bool:
    """Tell whether a token is a word by itself: letters, and neither begun before nor continued."""
    token = tokenizer.id_to_token(ids[place])
    following = tokenizer.id_to_token(ids[place + 1]) if place + 1 < len(ids) else ""
    alone = not _continues(token, tokenizer.kind) and not _continues(following, tokenizer.kind)
    return alone and token.lstrip("▁").isalpha()


def _continues(token: str, kind: str) -> bool:
    """Tell whether a token goes on with the word of the token before it."""
    if kind == "wordpiece":
        return token.startswith("##")
    # SentencePiece marks beginnings; an ideograph begins anew without a mark.
    return token[:1].isalpha() and ord(token[0]) < 0x3000

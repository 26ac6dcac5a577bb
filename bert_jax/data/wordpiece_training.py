"""How a WordPiece vocabulary is trained: the same text gives the same one."""

from collections import Counter
from collections.abc import Iterator

from bert_jax.data.wordpiece import SPECIAL_TOKENS, WordPiece, set_rules


def train_wordpiece(
    texts: Iterator[str], vocab_size: int, *, lower_case: bool, alphabet_share: float
) -> WordPiece:
    """Train a vocabulary of at most `vocab_size` pieces, the same one each time.

    The library's own trainer numbers the continuation letters in the order of a hash table that
    differs in every process. Giving it the whole alphabet, continuations included, as special
    tokens in a fixed order leaves nothing to chance. `alphabet_share` bounds the part of the
    vocabulary that single characters may take; the rarest ones beyond it become [UNK].
    """
    from tokenizers import Tokenizer
    from tokenizers.models import WordPiece as Model
    from tokenizers.trainers import WordPieceTrainer

    sample = list(texts)
    engine = Tokenizer(Model(unk_token="[UNK]"))
    set_rules(engine, lower_case, lower_case, True)
    room = max(0, int((vocab_size - len(SPECIAL_TOKENS)) * alphabet_share))
    alphabet = _alphabet(sample, engine, room)
    trainer = WordPieceTrainer(
        vocab_size=vocab_size,
        show_progress=False,
        special_tokens=[*SPECIAL_TOKENS, *alphabet],
        initial_alphabet=[],
        # Everything that may be used is already there, so no other character enters.
        limit_alphabet=0,
    )
    engine.train_from_iterator(sample, trainer)
    ids = engine.get_vocab(with_added_tokens=True)
    return WordPiece(sorted(ids, key=ids.__getitem__), lower_case=lower_case)


def _alphabet(sample: list[str], engine, room: int) -> list[str]:
    """Return the characters to keep and their continuations, most frequent first if cut."""
    counts: Counter[str] = Counter()
    for text in sample:
        counts.update(text)
    normalized: Counter[str] = Counter()
    for character, count in counts.items():
        for c in engine.normalizer.normalize_str(character):
            if not c.isspace():
                normalized[c] += count
    pieces: list[str] = []
    for character, _ in sorted(normalized.items(), key=lambda item: (-item[1], item[0])):
        alone = engine.pre_tokenizer.pre_tokenize_str(
            engine.normalizer.normalize_str(f"a{character}a")
        )
        # Punctuation and ideographs are words of their own and never continue one.
        new = [character, "##" + character] if len(alone) == 1 else [character]
        if len(pieces) + len(new) > room:
            break
        pieces += new
    return sorted(pieces, key=lambda piece: (piece.startswith("##") and len(piece) > 2, piece))

"""A SentencePiece model as a Hugging Face tokenizer, which `transformers` reads.

Ids are the same on ordinary text. They differ where several marks stand on a letter in another
order than Unicode's, and where a mark stands on a character that the model's own normalisation
replaces (full-width letters, half-width kana): the library looks the two up as one and drops the
mark. Two segmentations of nearly equal score may be told apart otherwise (its sums have 64 bits).
And the library matches literal specials in text, which here are text like any other.
"""

# Python's lower case of a capital sigma that ends a word; the library lower-cases letter by letter.
_FINAL_SIGMA = r"\p{Cased}\p{Case_Ignorable}*\KΣ(?!\p{Case_Ignorable}*\p{Cased})"


def parse_model(model: bytes):
    """Return a SentencePiece model as the message (protocol buffer) that it is."""
    from sentencepiece import sentencepiece_model_pb2 as protocol

    message = protocol.ModelProto  # pyright: ignore[reportAttributeAccessIssue] (made at import)
    return message.FromString(model)


def find_obstacle(spec) -> str | None:
    """Say what in a parsed model the library's tokenizers do not do, None where they do it all."""
    trainer, normalizer = spec.trainer_spec, spec.normalizer_spec
    obstacles = {
        "it is neither unigram nor BPE": trainer.model_type not in (trainer.UNIGRAM, trainer.BPE),
        "it falls back to bytes": trainer.byte_fallback,
        "it has user-defined pieces": any(p.type == p.USER_DEFINED for p in spec.pieces),
        "it marks the ends of words": trainer.treat_whitespace_as_suffix,
        "its pieces run over blanks": not trainer.split_by_whitespace,
        "it keeps blanks as they are": not (
            normalizer.add_dummy_prefix
            and normalizer.remove_extra_whitespaces
            and normalizer.escape_whitespaces
        ),
    }
    return next((text for text, found in obstacles.items() if found), None)


def make_engine(spec, lower_case: bool):
    """Return the `tokenizers.Tokenizer` of a parsed model without obstacles."""
    from tokenizers import Regex, Tokenizer, decoders, normalizers, pre_tokenizers

    unigram = spec.trainer_spec.model_type == spec.trainer_spec.UNIGRAM
    engine = Tokenizer(_unigram(spec) if unigram else _bpe(spec))
    steps: list = []
    if lower_case:
        steps += [normalizers.Replace(Regex(_FINAL_SIGMA), "ς"), normalizers.Lowercase()]
    if spec.normalizer_spec.precompiled_charsmap:
        # The library looks up only clusters of under six bytes: NFC composes the others.
        steps += [
            normalizers.NFC(),
            normalizers.Precompiled(spec.normalizer_spec.precompiled_charsmap),
        ]
    # At the ends only the space: the library's own Strip takes other blanks too.
    steps += [
        normalizers.Replace(Regex(r"\A +| +\z"), ""),
        normalizers.Replace(Regex(" {2,}"), " "),
    ]
    engine.normalizer = normalizers.Sequence(steps)
    engine.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    engine.decoder = decoders.Metaspace(prepend_scheme="always")
    return engine


def _unigram(spec):
    from tokenizers.models import Unigram

    pieces = [(piece.piece, piece.score) for piece in spec.pieces]
    return Unigram(pieces, unk_id=spec.trainer_spec.unk_id)


def _bpe(spec):
    """Return the BPE whose merges are all splits of each piece, in the order of the pieces."""
    from tokenizers.models import BPE

    ids = {piece.piece: i for i, piece in enumerate(spec.pieces)}
    learnt = [p for p in spec.pieces if p.type == p.NORMAL]
    merges = [
        (piece.piece[:cut], piece.piece[cut:])
        for piece in sorted(learnt, key=lambda piece: -piece.score)
        for cut in range(1, len(piece.piece))
        if piece.piece[:cut] in ids and piece.piece[cut:] in ids
    ]
    return BPE(ids, merges, unk_token=spec.trainer_spec.unk_piece, fuse_unk=True)

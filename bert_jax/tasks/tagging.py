"""Tagged words to rows of tokens, and what was predicted for the rows back to a tag a word."""

from collections.abc import Iterator, Sequence

import numpy as np

from bert_jax.data.tokenizers import Tokenizer
from bert_jax.errors import ConfigError, DataError
from bert_jax.tasks.examples import Features, TaggedSentence
from bert_jax.tasks.labels import label_index
from bert_jax.tasks.schemes import classes_of, split_tag

NOT_SCORED = -100


def find_classes(sentences: Sequence[TaggedSentence], scheme: str) -> tuple[str, ...]:
    """Return the tags for all types of entity met, O first; `sentences` are those to train on.

    Raises:
        DataError: no entity in any of them.
    """
    tags = {tag for sentence in sentences for tag in sentence.tags or ()} - {"O"}
    if not tags:
        raise DataError(
            f"{sentences[0].place}: no entity in {len(sentences)} sentences, every tag is O; "
            "is this the column of the tags?"
        )
    return classes_of((split_tag(tag)[1] for tag in tags), scheme)


def tagging_features(
    sentences: Sequence[TaggedSentence],
    tokenizer: Tokenizer,
    classes: Sequence[str],
    max_length: int,
) -> Features:
    """Encode sentences, each in as many rows as it needs; a row holds whole words.

    A word is scored at its first piece. One that has none, such as a lone joiner, gets [UNK], and
    one that is longer than a row is cut, so every word is in exactly one row.

    Returns:
        features with two targets, both ragged:
        "word_starts": where in the row each word begins, never 0; also where tags are hidden.
        "tags": for each token the class of the word that begins there, or -100; absent where
            tags are hidden.

    Raises:
        DataError: a tag is not among `classes`.
    """
    if max_length < 3:
        raise ConfigError(f"max_seq_length: got {max_length}, wants 3 or more: [CLS], words, [SEP]")
    pieces = _encode_words(sentences, tokenizer, max_length - 2)
    tagged = sentences[0].tags is not None if sentences else False
    input_ids: list[list[int]] = []
    word_starts: list[list[int]] = []
    tags: list[list[int]] = []
    rows: list[int] = []
    for number, sentence in enumerate(sentences):
        indices = [
            label_index(tag, classes, f"{sentence.place}, word {i}")
            for i, tag in enumerate(sentence.tags or (), 1)
        ]
        words = [pieces[word] for word in sentence.words]
        for start, end in _cut(sentence.words, words, max_length - 2):
            ids, places = [tokenizer.cls_id], []
            for word in words[start:end]:
                places.append(len(ids))
                ids += word
            ids.append(tokenizer.sep_id)
            input_ids.append(ids)
            word_starts.append(places)
            rows.append(number)
            if tagged:
                row = [NOT_SCORED] * len(ids)
                for place, tag in zip(places, indices[start:end], strict=True):
                    row[place] = tag
                tags.append(row)
    targets: dict[str, np.ndarray | list[list[int]]] = {"word_starts": word_starts}
    if tagged:
        targets["tags"] = tags
    zeros = [[0] * len(ids) for ids in input_ids]
    return Features(input_ids, zeros, np.array(rows, np.int32), targets)


def tags_of_words(
    features: Features,
    predicted: Sequence[Sequence[int] | np.ndarray],
    sentences: Sequence[TaggedSentence],
    classes: Sequence[str],
) -> list[list[str]]:
    """Return a tag for every word of every sentence.

    Args:
        features: of `sentences`.
        predicted: a row of classes for each row of features, a class a word; what follows the
            last word is padding.
        sentences: what was tagged.
        classes: the tags, by class.
    """
    found: list[list[str]] = [[] for _ in sentences]
    starts = features.targets["word_starts"]
    for sentence, words, row in zip(features.rows, starts, predicted, strict=True):
        found[sentence] += [classes[int(i)] for i in row[: len(words)]]
    assert all(len(a) == len(b.words) for a, b in zip(found, sentences, strict=True))
    return found


def _encode_words(
    sentences: Sequence[TaggedSentence], tokenizer: Tokenizer, longest: int
) -> dict[str, list[int]]:
    """Return the pieces of each different word, at least one and at most `longest`."""
    words = list({word: None for sentence in sentences for word in sentence.words})
    pieces = tokenizer.encode_batch(words)
    return {
        word: found[:longest] or [tokenizer.unk_id]
        for word, found in zip(words, pieces, strict=True)
    }


def _cut(words: Sequence[str], pieces: Sequence[list[int]], room: int) -> Iterator[tuple[int, int]]:
    """Yield spans of words that fit a row: as long as can be, or up to a pause near the end.

    Entities rarely reach over a comma or a full stop. The cut is found from the words alone, so
    that it is the same whether tags are known or not.
    """
    start = used = 0
    pause = 0  # the last place after punctuation, in the second half of the row
    for i, word in enumerate(pieces):
        while used + len(word) > room:
            end = pause or i
            yield start, end
            start = end
            used = sum(map(len, pieces[start:i]))
            pause = 0
        used += len(word)
        if 2 * used >= room and not any(map(str.isalnum, words[i])):
            pause = i + 1
    yield start, len(pieces)

"""Questions to rows of a model: [CLS] question [SEP] a window of the context [SEP]."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bert_jax.data.tokenizers import Tokenizer
from bert_jax.errors import ConfigError, DataError
from bert_jax.tasks.examples import Features, Question
from bert_jax.tasks.offsets import Tokens, encode_with_offsets

NO_ANSWER = (0, 0)  # both ends at [CLS]
_SPECIAL_TOKENS = 3


@dataclass(frozen=True)
class WindowConfig:
    """How a context that is longer than the model is cut; all in tokens."""

    max_seq_length: int = 384  # of a row, specials included
    doc_stride: int = 128  # from the start of a window to that of the next
    max_query_length: int = 64  # longer questions lose their end

    def __post_init__(self) -> None:
        for name in ("doc_stride", "max_query_length"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}: got {getattr(self, name)}, wants 1 or more")
        if self.max_seq_length <= self.max_query_length + _SPECIAL_TOKENS:
            raise ConfigError(
                f"max_seq_length: {self.max_seq_length} leaves no room for a text beside "
                f"max_query_length={self.max_query_length} and {_SPECIAL_TOKENS} special tokens; "
                "raise the one or lower the other"
            )


@dataclass(frozen=True)
class Windows:
    """Rows of a model, and what each shows of a context.

    Attributes:
        features: the rows; of targets "span", the first and the last token of the answer in the
            row [N, 2], in training alone.
        contexts: the tokens of each question's context; questions to one text share them.
        places: where in its row a window begins [N].
        begins: the token of the context that stands there [N].
        lengths: how many tokens of the context follow [N].
    """

    features: Features
    contexts: list[Tokens]
    places: np.ndarray
    begins: np.ndarray
    lengths: np.ndarray


def make_windows(
    questions: Sequence[Question], tokenizer: Tokenizer, config: WindowConfig, *, training: bool
) -> Windows:
    """Cut contexts into windows; in training leave out questions whose answer is not placed.

    The target is the first answer with a place; NO_ANSWER in windows that do not hold all of it.

    Raises:
        DataError: there is no question to train on.
    """
    texts = list({question.context: None for question in questions})
    known = dict(zip(texts, encode_with_offsets(tokenizer, texts), strict=True))
    asked = tokenizer.encode_batch([question.question for question in questions])
    contexts = [known[question.context] for question in questions]
    input_ids: list[list[int]] = []
    token_type_ids: list[list[int]] = []
    rows: list[tuple[int, int, int, int]] = []  # question, place, begin, length
    spans: list[tuple[int, int]] = []
    for i, (question, ids, tokens) in enumerate(zip(questions, asked, contexts, strict=True)):
        answer = _find_answer(question, tokens)
        if training and answer is None and not question.impossible:
            continue
        head = [tokenizer.cls_id, *ids[: config.max_query_length], tokenizer.sep_id]
        room = config.max_seq_length - len(head) - 1
        for begin, end in _cut(len(tokens.ids), room, config.doc_stride):
            window = tokens.ids[begin:end]
            input_ids.append([*head, *window, tokenizer.sep_id])
            token_type_ids.append([0] * len(head) + [1] * (len(window) + 1))
            rows.append((i, len(head), begin, len(window)))
            spans.append(_place_answer(answer, begin, end, len(head)))
    if training and not rows:
        raise DataError(
            f"no question to train on: of {len(questions)} none has an answer that stands in its "
            "context, or is marked impossible"
        )
    owners, places, begins, lengths = np.array(rows, np.int32).reshape(-1, 4).T
    features = Features(input_ids, token_type_ids, owners)
    if training:
        features.targets["span"] = np.array(spans, np.int32)
    return Windows(features, contexts, places, begins, lengths)


def _cut(tokens: int, room: int, stride: int) -> list[tuple[int, int]]:
    """Return first tokens and ends of windows; the last one reaches the end of the context."""
    windows = [(0, min(room, tokens))]
    while windows[-1][1] < tokens:
        begin = windows[-1][0] + min(stride, room)
        windows.append((begin, min(begin + room, tokens)))
    return windows


def _find_answer(question: Question, tokens: Tokens) -> tuple[int, int] | None:
    """Return the first and last token of the first answer that has a place and tokens."""
    for answer in question.answers:
        if answer.start < 0:
            continue
        first = bisect_right(tokens.ends, answer.start)
        last = bisect_left(tokens.starts, answer.start + len(answer.text)) - 1
        if first <= last:
            return first, last
    return None


def _place_answer(
    answer: tuple[int, int] | None, begin: int, end: int, place: int
) -> tuple[int, int]:
    """Return the answer's ends in the row of a window of the context's tokens begin to end."""
    if answer is None or answer[0] < begin or answer[1] >= end:
        return NO_ANSWER
    return place + answer[0] - begin, place + answer[1] - begin

"""What preparation found out about a corpus: its manifest and statistics."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bert_jax.report.files import as_count, as_dict, as_list, as_number, as_text, read_json


@dataclass(frozen=True)
class Split:
    """A part of the corpus."""

    documents: int | None
    sentences: int | None
    tokens: int | None
    unigram_entropy: float | None  # nats
    most_frequent_token: str  # "" where only its id is known
    most_frequent_token_share: float | None


@dataclass(frozen=True)
class Histogram:
    """How many have at least so many `unit`, and fewer than the next bar; the last is open."""

    unit: str
    at_least: tuple[float, ...]
    counts: tuple[float, ...]


@dataclass(frozen=True)
class Tally:
    """Something that preparation left out or changed."""

    what: str
    unit: str  # what is counted: "documents", "files", ""
    count: int
    first: str  # where it was met first


@dataclass(frozen=True)
class Corpus:
    """A prepared corpus; whatever is missing is empty or None."""

    name: str
    tokenizer_kind: str
    vocab_size: int | None
    splits: dict[str, Split]
    figures: dict[str, float]  # the single numbers of statistics.json
    sentence_lengths: Histogram | None
    document_lengths: Histogram | None
    left_out: tuple[Tally, ...]
    changed: tuple[Tally, ...]

    @property
    def held_out(self) -> Split | None:
        """The split that baselines come from: validation, or train where nothing is held out."""
        validation = self.splits.get("validation")
        if validation and validation.tokens:
            return validation
        return self.splits.get("train")


def read_corpus(folder: Path, problems: list[str]) -> Corpus | None:
    """Read a prepared corpus; None, with a line in `problems`, where there is none."""
    manifest = as_dict(read_json(folder / "manifest.json", problems))
    statistics = as_dict(read_json(folder / "statistics.json", problems))
    if not manifest and not statistics:
        problems.append(
            f"The prepared corpus {folder} is not there: without it, the page lacks the "
            "corpus's figures and what guessing by frequency alone would reach."
        )
        return None
    tokenizer = as_dict(manifest.get("tokenizer"))
    numbers = {name: as_number(value) for name, value in statistics.items()}
    return Corpus(
        name=folder.resolve().name,
        tokenizer_kind=as_text(tokenizer.get("kind")),
        vocab_size=as_count(tokenizer.get("vocab_size")),
        splits={
            name: _split(values, folder / "tokenizer")
            for name, values in as_dict(manifest.get("splits")).items()
            if isinstance(values, dict)
        },
        figures={name: number for name, number in numbers.items() if number is not None},
        sentence_lengths=_histogram(as_dict(statistics.get("sentence_lengths"))),
        document_lengths=_histogram(as_dict(statistics.get("document_lengths"))),
        left_out=(
            *_tallies(statistics.get("skipped"), "documents"),
            *_tallies(statistics.get("skipped_files"), "files"),
        ),
        changed=_tallies(statistics.get("changed"), ""),
    )


def _split(values: dict[str, Any], tokenizer: Path) -> Split:
    return Split(
        documents=as_count(values.get("documents")),
        sentences=as_count(values.get("sentences")),
        tokens=as_count(values.get("tokens")),
        unigram_entropy=as_number(values.get("unigram_entropy")),
        most_frequent_token=_token(values.get("most_frequent_token"), tokenizer),
        most_frequent_token_share=as_number(values.get("most_frequent_token_share")),
    )


def _token(value: Any, tokenizer: Path) -> str:
    """Return a token's text, looked up in its vocabulary where only the id is given."""
    if not isinstance(value, int):
        return as_text(value)
    try:
        if (tokenizer / "vocab.txt").is_file():
            lines = (tokenizer / "vocab.txt").read_text(encoding="utf-8").split("\n")
            return lines[value].strip() if 0 <= value < len(lines) else ""
        if (tokenizer / "tokenizer.model").is_file():
            from sentencepiece import SentencePieceProcessor

            pieces = SentencePieceProcessor(model_file=str(tokenizer / "tokenizer.model"))
            text = pieces.id_to_piece(value)
            return text.removeprefix("▁") or text
    except (ImportError, OSError, ValueError, RuntimeError, IndexError):
        pass  # the page does without the word
    return ""


def _histogram(values: dict[str, Any]) -> Histogram | None:
    """Read a histogram without the empty bars at its ends; None if it is not one."""
    edges = [as_number(edge) for edge in as_list(values.get("at_least"))]
    counts = [as_number(count) for count in as_list(values.get("count"))]
    if len(edges) != len(counts):
        return None
    bars = [(e, c) for e, c in zip(edges, counts, strict=True) if e is not None and c is not None]
    filled = [i for i, (_, count) in enumerate(bars) if count > 0]
    if not filled:
        return None
    bars = bars[filled[0] : filled[-1] + 1]
    return Histogram(as_text(values.get("unit")), *map(tuple, zip(*bars, strict=True)))


def _tallies(values: Any, unit: str) -> tuple[Tally, ...]:
    """Read {what: {"count", "first"}}, or {what: count}, the most frequent first."""
    tallies = []
    for what, value in as_dict(values).items():
        entry = value if isinstance(value, dict) else {"count": value}
        count = as_count(entry.get("count"))
        if count:
            tallies.append(Tally(what.replace("_", " "), unit, count, as_text(entry.get("first"))))
    return tuple(sorted(tallies, key=lambda tally: -tally.count))

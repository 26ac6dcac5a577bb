"""Compare our tokenizers with those of `transformers`, id by id; every second line is made nasty.

WordPieces are read from published vocabularies, SentencePiece models trained on the lines.
`write` makes the lines, our ids and the folders for `transformers`; `compare`, after
`huggingface_tokenizers`, prints the counts, writes them as JSON, and exits with 1 where a
WordPiece differs. Why SentencePiece may differ is said in `bert_jax/data/sentence_piece_json.py`.

    python -m experiments.parity.tokenizers write OUT CORPUS VOCABULARIES
    python -m experiments.parity.huggingface_tokenizers OUT     (in its own environment)
    python -m experiments.parity.tokenizers compare OUT RESULT

CORPUS holds documents as *.jsonl.gz with a field "text", VOCABULARIES files NAME-vocab.txt.
"""

import gzip
import itertools
import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path

from bert_jax.data.tokenizers import Tokenizer, load_tokenizer, train_tokenizer

LINES = 10_000
LONGEST = 1_000  # characters of a line
SPECIALS = ("[MASK]", "[SEP]", "[UNK]")
INJECTED = (
    # control characters, odd blanks, invisible and replacement characters
    *("\x00", "\x07", "\x0b", "\x1c", "\x7f", "\x85", "\xa0", "\xad", "\u200b", "\u200d", "\u200e"),
    *("\u2028", "\u2060", "\u3000", "\ufeff", "\ufffd", "\ue000", "\u0378", "\U000e0041"),
    # emoji, mixed scripts, right to left
    *("👍🏽", "👨\u200d👩\u200d👧", "🇩🇪", "❤\ufe0f", "한국어", "हिन्दी", "ไทย", "Москва", "ΟΔΟΣ"),
    *("שלום", "مرحبا", "\u202eabc\u202c", "\u067e\u0698"),
    # accents alone, combined, and on letters of other scripts
    *("é", "e\u0301", "\u0301", "n\u0303\u0323", "か\u3099", "好\u0301", "ё", "İ", "ß", "Å", "Ǆ"),
    # full-width and compatibility forms, ideographs outside the main block
    *("Ａ１！", "ﬁ", "½", "①", "㎏", "ﾊﾟ", "\u3400", "\U00020000", "\uf900", "々", "〇"),
    # words about the longest that is split
    *("a" * 99, "a" * 100, "a" * 101, "ab" * 120, "é" * 100, "e\u0301" * 60, "中" * 120),
    # punctuation and specials as text
    *("$5^x~`", "don't", "a_b", "##ing", "“”", "…", "[mask]", "[ MASK ]", *SPECIALS),
)  # fmt: skip


def write(out: Path, corpus: Path, vocabularies: Path) -> None:
    """Write lines.json and, for each tokenizer, its folder `saved` and our ids."""
    out.mkdir(parents=True)
    clean = list(read_lines(corpus))
    lines = [spoil(line, random.Random(i)) if i % 2 else line for i, line in enumerate(clean)]
    (out / "lines.json").write_text(json.dumps(lines))
    for path in sorted(vocabularies.glob("*-vocab.txt")):
        tokenizer = load_tokenizer(path)
        published = out / path.stem / "published"
        published.mkdir(parents=True)
        (published / "vocab.txt").write_bytes(path.read_bytes())
        settings = {"do_lower_case": tokenizer.lower_case}
        (published / "tokenizer_config.json").write_text(json.dumps(settings))
        write_tokenizer(out / path.stem, tokenizer, lines)
    for model_type, lower_case in itertools.product(("unigram", "bpe"), (False, True)):
        tokenizer = train_tokenizer(
            "sentencepiece", iter(clean[::3]), 8_000, lower_case, model_type=model_type
        )
        name = f"sentencepiece_{model_type}_{'uncased' if lower_case else 'cased'}"
        write_tokenizer(out / name, tokenizer, lines)


def write_tokenizer(folder: Path, tokenizer: Tokenizer, lines: list[str]) -> None:
    """Write what `transformers` reads, and our ids of the lines."""
    tokenizer.save(folder / "saved")
    (folder / "saved" / "config.json").write_text(json.dumps({"model_type": "bert"}))
    (folder / "ours.json").write_text(json.dumps(tokenizer.encode_batch(lines)))


def read_lines(corpus: Path) -> Iterator[str]:
    """Yield LINES lines, as many from each file, from its start."""
    files = sorted(corpus.glob("*.jsonl.gz"))
    for i, path in enumerate(files):
        wanted = LINES * (i + 1) // len(files) - LINES * i // len(files)
        with gzip.open(path, "rt", encoding="utf-8") as file:
            texts = (json.loads(line)["text"] for line in file)
            lines = (line for text in texts for line in text.split("\n") if line.strip())
            yield from (line[:LONGEST] for line in itertools.islice(lines, wanted))


def spoil(line: str, draw: random.Random) -> str:
    """Put one to five nasty strings anywhere into a line."""
    for _ in range(draw.randint(1, 5)):
        place = draw.randrange(len(line) + 1)
        line = line[:place] + draw.choice(INJECTED) + line[place:]
    return line


def compare(out: Path, result: Path) -> int:
    """Compare every folder of OUT; 1 where a WordPiece is not the same, else 0."""
    lines = json.loads((out / "lines.json").read_text())
    results = {path.parent.name: compare_folder(path.parent, lines) for path in
               sorted(out.glob("*/theirs.json"))}  # fmt: skip
    text = json.dumps(results, indent=2, ensure_ascii=False) + "\n"
    result.write_text(text, encoding="utf-8")
    print(text)
    exact = [found for name, found in results.items() if "sentencepiece" not in name]
    equal = [found["equal lines"]["specials as text"] == found["lines"] for found in exact]
    return int(not equal or not all(equal))


def compare_folder(folder: Path, lines: list[str]) -> dict:
    """Count the lines that are equal, in every way that `transformers` may read the tokenizer."""
    tokenizer = load_tokenizer(folder / "saved")
    ours = json.loads((folder / "ours.json").read_text())
    theirs = json.loads((folder / "theirs.json").read_text())
    literal = {i for i, line in enumerate(lines) if any(text in line for text in SPECIALS)}
    untouched = set(range(0, len(lines), 2)) - literal
    equal = {
        f"untouched lines, of {len(untouched)}": count_equal(ours, theirs["ids"], untouched),
        "as it is": count_equal(ours, theirs["ids"], set(range(len(lines))) - literal),
        "specials as text": count_equal(ours, theirs["ids_with_specials_as_text"]),
    }
    if "ids_published" in theirs:
        resaved = load_tokenizer(folder / "resaved").encode_batch(lines)
        equal["saved by them, read by us"] = count_equal(ours, resaved)
        equal["from the bare vocabulary"] = count_equal(ours, theirs["ids_published"])
    return {
        "lines": len(lines),
        "lines with literal specials, left out of 'as it is'": len(literal),
        "tokens": sum(map(len, ours)),
        "unknown": sum(row.count(tokenizer.unk_id) for row in ours),
        "equal lines": equal,
        "rows of one text and of two": check_rows(tokenizer, ours, theirs),
    }


def count_equal(ours: list, theirs: list, chosen: set[int] | None = None) -> int:
    """Return how many of the chosen lines, else of all, have the same ids."""
    rows = enumerate(zip(ours, theirs, strict=True))
    return sum(a == b for i, (a, b) in rows if chosen is None or i in chosen)


def check_rows(tokenizer: Tokenizer, ours: list, theirs: dict) -> str:
    """Check [CLS], [SEP], segments, padding and [MASK] against what BERT takes."""
    cls, sep, ids = [tokenizer.cls_id], [tokenizer.sep_id], theirs["ids"]
    specials = [tokenizer.cls_id, tokenizer.pad_id, tokenizer.unk_id, tokenizer.mask_id]
    assert theirs["special_ids"] == specials
    assert theirs["mask"] == ids[0] + [tokenizer.mask_id]
    for i, pair in enumerate(theirs["pairs"]):
        first, second = cls + ids[i] + sep, ids[i + 1] + sep
        assert pair["input_ids"] == first + second, i
        assert pair["token_type_ids"] == [0] * len(first) + [1] * len(second), i
        assert pair["attention_mask"] == [1] * len(first + second), i
    longest = max(map(len, ids[:8])) + 2
    for row, mask, known in zip(
        theirs["padded"]["input_ids"], theirs["padded"]["attention_mask"], ids, strict=False
    ):
        known = cls + known + sep
        assert row == known + [tokenizer.pad_id] * (longest - len(known))
        assert mask == [1] * len(known) + [0] * (longest - len(known))
    return f"right ({len(theirs['pairs'])} pairs)"


if __name__ == "__main__":
    _, command, *paths = sys.argv
    if command == "write":
        write(*map(Path, paths))
    else:
        sys.exit(compare(*map(Path, paths)))

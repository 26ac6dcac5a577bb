"""Random and mutated texts through preparation: no traceback, no hang, no document lost."""

import gzip
import json
import random
import re
from pathlib import Path
from typing import Any

from bert_jax.data.preparation import prepare as prepare_text
from experiments.faults import artefacts, damage, guard, toy
from experiments.faults.tries import Campaign, Result, Try

_ENDS = re.compile(rb"\r\n|\r|\n")
_REMOVED = bytes(c for c in range(32) if c not in b"\t\n\v\f\r") + b"\x7f"
# Letters of one to four bytes, marks that join, signs that turn the line, ends that are no ends.
_ODD_CHARACTERS = (
    "aZ é\u0301\u0308 ß İ ﬁ \u200b\u200d\u2060 \u202e\u2066 \u2028\u2029\x85\x0b\x0c \ufeff\ufffd "
    "中文。！？「」 한국어 ع\u0644\u0651 ไทย 👩\u200d👩\u200d👧 \U0010ffff\U000e0001 \ue000 𝔘𝔫𝔦"
)


def prepare(work: Path) -> Path:
    """Save the tokenizer that most tries are given."""
    artefacts.make_tokenizer().save(work / "tokenizer")
    return work / "tokenizer"


def attempt(tokenizer: Path, one: Try) -> Result:
    """Write a text and prepare it."""
    draw = one.draw
    kind = draw.choice(list(TEXTS))
    data = TEXTS[kind](draw)
    if draw.random() < 0.6:
        data = damage.mutate(data, draw)
    format = "jsonl" if kind == "jsonl" else draw.choice(("sentences", "text", "text"))
    packed = draw.random() < 0.1
    stored = gzip.compress(data, mtime=0) if packed else data
    if packed and draw.random() < 0.5:
        stored = damage.mutate(stored, draw)
    text = one.folder / "text"
    text.write_bytes(stored)
    changes: dict[str, Any] = {"format": format, "document_separator": "blank_line"}
    changes |= {"max_sentence_characters": draw.choice((1, 7, 10_000)), "language": "auto"}
    if draw.random() < 0.8:
        changes["tokenizer__path"] = str(tokenizer)
    else:
        changes["tokenizer__kind"] = draw.choice(("wordpiece", "wordpiece", "sentencepiece"))
    config = artefacts.prepare_config(text, **changes)
    output = one.folder / "prepared"
    came = guard.call(lambda: prepare_text(config, output, workers=1, progress=False), 60)
    what = f"{kind} as {format}: {came.text}"
    if came.kind != "fine":
        left = sorted(p.name for p in one.folder.iterdir() if p != text)
        if left:
            return Result("something was left behind", False, f"{what}: {left}")
        return Result(came.kind, came.is_clear, what)
    said = came.value.statistics
    read, used = said["documents_read"], said["documents"] + said["documents_skipped"]
    if read != used:
        return Result("documents lost", False, f"{what}: {read} read, {used} used or skipped")
    whole = stored == data or stored == gzip.compress(data, mtime=0)
    if whole and "documents cut" not in said["changed"]:
        wanted = count_documents(data, format)
        if read != wanted:
            return Result("documents not read", False, f"{what}: {wanted} there, {read} read")
    return Result("prepared", True, counts={"documents": read})


def count_documents(data: bytes, format: str) -> int:
    """Count documents in another way than the reader: lines of JSON, or blocks of lines."""
    data = data.removeprefix(b"\xef\xbb\xbf")
    lines = [part.translate(None, _REMOVED).decode(errors="replace") for part in _ENDS.split(data)]
    blank = [not line.strip() for line in lines]
    if format == "jsonl":
        return blank.count(False)
    return sum(not now and before for before, now in zip([True, *blank], blank, strict=False))


def _sentences(draw: random.Random) -> bytes:
    return toy.make_text(draw.randint(1, 30), draw.randrange(10**6)).encode()


def _json_lines(draw: random.Random) -> bytes:
    texts = toy.make_text(draw.randint(1, 12), draw.randrange(10**6)).split("\n\n")
    lines = []
    for text in texts:
        value: Any = {"text": text, "id": draw.randrange(100)}
        if draw.random() < 0.2:
            value = damage.mutate_value(value, draw)
        lines.append(json.dumps(value, ensure_ascii=draw.random() < 0.5))
    return "\n".join(lines).encode(errors="surrogatepass")


def _unicode(draw: random.Random) -> bytes:
    parts = (draw.choices(_ODD_CHARACTERS, k=draw.randint(1, 80)) for _ in range(30))
    return "\n\n".join("".join(part) for part in parts).encode()


TEXTS = {
    "sentences": _sentences,
    "jsonl": _json_lines,
    "Unicode": _unicode,
    "any characters": lambda draw: "".join(
        chr(draw.choice((draw.randrange(0xD800), draw.randrange(0xE000, 0x110000))))
        for _ in range(draw.randint(1, 3_000))
    ).encode(),
    "bytes": lambda draw: draw.randbytes(draw.randint(1, 5_000)),
    "a huge line": lambda draw: b" ".join([b"word."] * draw.randint(10_000, 60_000)),
    "one long word": lambda draw: draw.choice(("x", "é", "中")).encode() * 200_000,
    "empty": lambda draw: b"",
    "blank": lambda draw: bytes(draw.choices(b" \t\n\r\v\f", k=draw.randint(1, 500))),
    "one sentence": lambda draw: b"One sentence alone.",
    "one letter": lambda draw: b"x",
    "NUL": lambda draw: b"A sentence.\x00 Another.\n" * 20 + b"\x00" * draw.randint(1, 30),
    "UTF-16": lambda draw: toy.make_text(5).encode("utf-16"),
    "Latin-1": lambda draw: "Où est-il allé? Déjà là.\n\n".encode("latin-1") * 20,
}

CAMPAIGN = Campaign(
    asked="1,000; 0 tracebacks, 0 hangs; documents in = used + skipped with a reason",
    tries=1_000,
    short=20,
    prepare=prepare,
    attempt=attempt,
)

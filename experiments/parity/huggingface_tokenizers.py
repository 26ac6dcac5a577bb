"""Say which ids `transformers` gives for the lines and the folders that `tokenizers` wrote.

Needs transformers, which this project does not use: run it in an environment of its own.

    python -m experiments.parity.huggingface_tokenizers OUT
"""

import json
import sys
from pathlib import Path

import transformers
from transformers import AutoTokenizer, BertTokenizer


def main(out: Path) -> None:
    """Write theirs.json beside each folder's tokenizer, and the tokenizer saved anew."""
    print("transformers", transformers.__version__)
    lines = json.loads((out / "lines.json").read_text())
    for folder in sorted(path.parent for path in out.glob("*/ours.json")):
        tokenizer = AutoTokenizer.from_pretrained(folder / "saved")
        found = {
            "special_ids": tokenizer(lines[:1])["input_ids"][0][:1]
            + [tokenizer.pad_token_id, tokenizer.unk_token_id, tokenizer.mask_token_id],
            "ids": encode(tokenizer, lines),
            "mask": encode(tokenizer, [f"{lines[0]} {tokenizer.mask_token}"])[0],
            "pairs": [
                dict(tokenizer(a, b)) for a, b in zip(lines[:1000], lines[1:1001], strict=True)
            ],
            "padded": dict(tokenizer(lines[:8], padding=True)),
        }
        tokenizer.save_pretrained(folder / "resaved")
        # Literal specials in the text become tokens unless this is set; ours stay text.
        tokenizer = AutoTokenizer.from_pretrained(folder / "saved", split_special_tokens=True)
        found["ids_with_specials_as_text"] = encode(tokenizer, lines)
        if (folder / "published").is_dir():  # a bare vocab.txt and one setting
            tokenizer = BertTokenizer.from_pretrained(
                folder / "published", split_special_tokens=True
            )
            found["ids_published"] = encode(tokenizer, lines)
        (folder / "theirs.json").write_text(json.dumps(found))
        print(folder.name, type(tokenizer).__name__)


def encode(tokenizer, lines: list[str]) -> list[list[int]]:
    """Return ids without [CLS] and [SEP]."""
    return tokenizer(lines, add_special_tokens=False)["input_ids"]


if __name__ == "__main__":
    main(Path(sys.argv[1]))

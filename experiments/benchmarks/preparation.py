"""Measure the preparation of a text: its speed, and its memory as the text grows.

    python -m experiments.benchmarks.preparation TEXT --vocabulary=VOCAB --work=WORK [--times=1,10]

TEXT is a gzipped file of JSON lines with the field "text". `prepare` takes it as often as asked, as
so many files, with its own settings. Memory is of all its processes together, with what they share
counted once. Beside it, the same lines through the batches of `tokenizers`, as loaders of text do
it: neither sentences nor documents, held-out text or files.
"""

import argparse
import gzip
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

BATCH = 1_000  # lines, as `datasets` maps them


def main(arguments: argparse.Namespace) -> None:
    """Measure and print a line each."""
    with gzip.open(arguments.text, "rt", encoding="utf-8") as file:
        texts = [json.loads(line)["text"] for line in file]
    size = sum(len(text.encode()) for text in texts) / 1e6
    for times in arguments.times:
        seconds, memory = prepared(arguments, times)
        mb = size * times
        print(
            f"prepare: {mb:.0f} MB, {mb / seconds:.1f} MB/s, "
            f"at most {memory / 1e6:.0f} MB of memory"
        )
    print(f"tokenizers alone: {size:.0f} MB, {size / tokenized(arguments, texts):.1f} MB/s")


def prepared(arguments: argparse.Namespace, times: int) -> tuple[float, int]:
    """Run the command; return its seconds and the most memory that was seen, in bytes."""
    arguments.work.mkdir(parents=True, exist_ok=True)
    copies, output = arguments.work / "text", arguments.work / "prepared"
    for folder in (copies, output):
        shutil.rmtree(folder, ignore_errors=True)
    copies.mkdir()
    for number in range(times):
        (copies / f"{number}.jsonl.gz").symlink_to(arguments.text.absolute())
    fields = {
        "input": copies / "*.jsonl.gz",
        "output": output,
        "tokenizer.path": arguments.vocabulary,
    }
    command = [sys.executable, "-m", "bert_jax.prepare", "--config=configs/prepare.py"]
    command += [f"--config.{name}={value}" for name, value in fields.items()]
    start, most = time.monotonic(), 0
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
    while process.poll() is None:
        most = max(most, memory_of_session(process.pid))
        time.sleep(0.05)
    if process.returncode:
        sys.exit(process.returncode)
    return time.monotonic() - start, most


def memory_of_session(session: int) -> int:
    """Add up the proportional memory of a session's processes, in bytes."""
    total = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if os.getsid(int(folder.name)) == session:
                lines = (folder / "smaps_rollup").read_text().splitlines()
                total += next(int(x.split()[1]) for x in lines if x.startswith("Pss:")) * 1024
        except (OSError, StopIteration):  # it has ended
            continue
    return total


def tokenized(arguments: argparse.Namespace, texts: list[str]) -> float:
    """Return the seconds that the library takes for the lines of the texts."""
    from tokenizers.implementations import BertWordPieceTokenizer

    tokenizer = BertWordPieceTokenizer(str(arguments.vocabulary), lowercase=True)
    lines = [line for text in texts for line in text.splitlines() if line.strip()]
    start = time.monotonic()
    for first in range(0, len(lines), BATCH):
        tokenizer.encode_batch(lines[first : first + BATCH])
    return time.monotonic() - start


def parse() -> argparse.Namespace:
    """Read the flags."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("text", type=Path, help="gzipped JSON lines")
    parser.add_argument("--vocabulary", required=True, type=Path, help="a vocab.txt, uncased")
    parser.add_argument("--work", required=True, type=Path, help="for what is prepared")
    parser.add_argument(
        "--times",
        type=lambda text: [int(word) for word in text.split(",")],
        default=[1, 10],
        help="how often the text is taken",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main(parse())

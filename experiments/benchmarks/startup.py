"""Measure from the command to the first finished step, with nothing compiled before and again.

    python -m experiments.benchmarks.startup CASE --corpus=CORPUS --work=WORK

Runs `pretrain` as a user does, in a folder of its own each time, and looks when the line of its
first step is printed. "Cold" has an empty folder of compiled programs, "warm" the one that the cold
start before it left; Python's own byte code is there in both.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from experiments.benchmarks.sizes import CASES, VOCAB_SIZE

FIRST = "step 1/"


def main(arguments: argparse.Namespace) -> None:
    """Measure and print medians."""
    seconds: dict[str, list[float]] = {"cold": [], "warm": []}
    for _ in range(arguments.repeats):
        with tempfile.TemporaryDirectory(dir=arguments.work) as folder:
            for kind, times in seconds.items():
                times.append(first_step(arguments, Path(folder), kind))
    found = {
        kind: {"median": float(np.median(times)), "all": times} for kind, times in seconds.items()
    }
    print(json.dumps(found, indent=1))


def first_step(arguments: argparse.Namespace, folder: Path, kind: str) -> float:
    """Start a run; return the seconds until its first step is printed, and stop it."""
    case = CASES[arguments.case]
    fields = {
        "data.path": arguments.corpus,
        "model.vocab_size": VOCAB_SIZE,
        "train.batch_size": case.batch_size,
        "train.max_seq_length": case.max_seq_length,
        "train.max_predictions": case.max_predictions,
        "train.log_every": 1,
        "train.steps": 1000,
    }
    command = [
        sys.executable,
        "-m",
        "bert_jax.pretrain",
        f"--config=configs/pretrain.py:{case.size}",
    ]
    command += [f"--config.{name}={value}" for name, value in fields.items()]
    compiled = {"JAX_COMPILATION_CACHE_DIR": str(folder / "compiled")}
    compiled["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.3"  # what the entries set
    begun = time.perf_counter()
    with subprocess.Popen(
        [*command, f"--workdir={folder / kind}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | compiled,
    ) as process:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if FIRST in line:
                break
        else:
            raise SystemExit(f"it ended before its first step:\n{''.join(said)}")
        seconds = time.perf_counter() - begun
        process.send_signal(signal.SIGTERM)
        process.stdout.read()
    return seconds


def parse() -> argparse.Namespace:
    """Read the flags."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--corpus", required=True, type=Path, help="a prepared folder")
    parser.add_argument("--work", required=True, type=Path, help="for the runs")
    parser.add_argument("--repeats", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    main(parse())

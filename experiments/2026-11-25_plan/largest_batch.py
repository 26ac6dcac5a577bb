"""Does the largest batch that a plan finds really run, and the next one not? On a CPU, as root.

    python -m experiments.2026-11-25_plan.largest_batch CORPUS base 6000 --work=WORK

A control group limits the memory (here to 6,000 MB, swap included), so what takes more is ended by
the kernel. In it `plan` searches for the largest batch, then `pretrain` takes three steps of that
batch and of others around it, to find where the limit really is. Prints a line a batch.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GROUPS = Path("/sys/fs/cgroup")
STEPS = 3


class Limited:
    """A control group with a limit on memory, version 1 or 2 of Linux."""

    def __init__(self, limit: int) -> None:
        is_two = (GROUPS / "cgroup.controllers").exists()
        self._folder = GROUPS / ("" if is_two else "memory") / f"bert_jax_{os.getpid()}"
        self._folder.mkdir()
        names = (
            ("memory.max", "memory.swap.max")
            if is_two
            else ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes")
        )
        for name, value in zip(names, (limit, 0 if is_two else limit), strict=True):
            if (self._folder / name).exists():
                (self._folder / name).write_text(str(value))

    def run(self, module: str, config: list[str], log: Path) -> int:
        """Run an entry in it; give its exit code, below 0 if the kernel ended it."""
        command = [sys.executable, "-m", f"bert_jax.{module}", *config]
        with open(log, "wb") as out:
            return subprocess.run(
                command, cwd=ROOT, stdout=out, stderr=out, preexec_fn=self._join
            ).returncode

    def close(self) -> None:
        """Remove it."""
        self._folder.rmdir()

    def _join(self) -> None:
        (self._folder / "cgroup.procs").write_text(str(os.getpid()))


def main() -> None:
    """Plan, run, and print what came of it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("corpus")
    parser.add_argument("size")
    parser.add_argument("limit", type=int, help="megabytes")
    parser.add_argument("--start", type=int, default=32, help="rows that the plan begins with")
    parser.add_argument("--work", type=Path, required=True)
    arguments = parser.parse_args()
    work = arguments.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    config = [
        f"--config=configs/pretrain.py:{arguments.size},cpu",
        f"--config.data.path={Path(arguments.corpus).resolve()}",
    ]
    limited = Limited(arguments.limit * 10**6)
    try:
        flags = ["--largest_batch", f"--output={work}", "--chips=1"]
        rows = f"--config.train.batch_size={arguments.start}"
        assert limited.run("plan", [*config, rows, *flags], work / "plan.txt") in (0, 2)
        plan = json.loads((work / "plan.json").read_text())["phases"][0]
        largest = plan["largest"]
        print(json.dumps({"usable": plan["memory"]["usable"], **largest}), flush=True)

        def runs(rows: int) -> bool:
            run = work / f"rows_{rows}"
            fields = {"batch_size": rows, "steps": STEPS, "eval_every": 1000, "log_every": 1}
            more = [f"--config.train.{name}={value}" for name, value in fields.items()]
            code = limited.run("pretrain", [*config, *more, f"--workdir={run}"], work / "run.txt")
            print(f"{rows} rows: {'ran' if code == 0 else f'ended with {code}'}", flush=True)
            return code == 0

        fits = largest["fits"]
        for rows in dict.fromkeys((fits, largest["next"])):
            runs(rows)
        # Where the limit is, to a twentieth of the prediction.
        step = max(1, fits // 20)
        direction = 1 if runs(fits + step) else -1
        rows = fits + 2 * step if direction > 0 else fits - step
        while rows > 0 and runs(rows) == (direction > 0):
            rows += direction * step
    finally:
        limited.close()


if __name__ == "__main__":
    main()

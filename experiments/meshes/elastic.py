"""One run handed from four processes of two devices each to one device, and back.

    python -m experiments.meshes.elastic --work=WORK --results=experiments/meshes/results

The commands are those that a user types; every part continues from the checkpoint of the one before
it. A run on one device alone, never interrupted, is what it is held against. `--data` names a
prepared folder; otherwise the built-in corpus is prepared.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROCESSES, DEVICES = 4, 2
FLAGS = {
    "config.prepare.tokenizer.vocab_size": 4096,
    "config.optimizer.learning_rate": 1e-3,
    "config.optimizer.warmup_steps": 0,
    "config.optimizer.schedule": "constant",  # so that a run may be told to go on
    "config.train.batch_size": 16,
    "config.train.log_every": 1,
    "config.train.checkpoint_every": 10,
    "config.train.eval_every": 10,
    "config.train.eval_sequences": 64,
    "config.train.samples": 2,
}
# Where the run is until which step: processes, and the mesh's axes.
PARTS = (
    (10, PROCESSES, {"data": 2, "fsdp": 4}),
    (20, 1, {}),
    (30, PROCESSES, {"data": 1, "fsdp": 2, "tensor": 2, "sequence": 2}),
)
LOSSES = ("loss", "mlm_loss", "nsp_loss")


def run(workdir: Path, steps: int, processes: int, mesh: dict[str, int], logs: Path) -> None:
    """Train until a step."""
    codes = [process.wait() for process in start(workdir, steps, processes, mesh, logs)]
    if any(codes):
        raise SystemExit(f"until step {steps}: codes {codes}; see {logs}")


def start(
    workdir: Path, steps: int, processes: int, mesh: dict[str, int], logs: Path
) -> list[subprocess.Popen]:
    """Start the processes of a run that is to end at a step."""
    flags = FLAGS | {"config.train.steps": steps, "workdir": workdir}
    flags |= {f"config.mesh.{axis}": size for axis, size in mesh.items()}
    devices = DEVICES if processes > 1 else 1
    environment = os.environ | {
        "JAX_PLATFORMS": "cpu",
        "JAX_NUM_CPU_DEVICES": str(devices),
        "XLA_FLAGS": "--xla_backend_optimization_level=0",  # compiles quickly
    }
    if processes > 1:
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            flags["coordinator"] = f"127.0.0.1:{listening.getsockname()[1]}"
        flags["num_processes"] = processes
    command = [sys.executable, "-m", "bert_jax.pretrain", "--config=configs/pretrain.py:tiny,cpu"]
    command += [f"--{name}={value}" for name, value in flags.items()]
    started = []
    logs.mkdir(parents=True, exist_ok=True)
    for index in range(processes):
        own = command + ([f"--process_id={index}"] if processes > 1 else [])
        with open(logs / f"until_{steps}_of_{index}.txt", "wb") as log:
            started.append(subprocess.Popen(own, cwd=ROOT, env=environment, stdout=log, stderr=log))
    return started


def lines(workdir: Path) -> dict[tuple[int, str], dict]:
    """Read the metrics by step and split; there may be one of each."""
    text = (workdir / "metrics.jsonl").read_text().splitlines()
    found = {(line["step"], line["split"]): line for line in map(json.loads, text)}
    assert len(found) == len(text)
    return found


def compare(alone: dict, other: dict, after: int, until: int) -> dict[str, float]:
    """Hold the losses of some steps against those of the run that was left alone."""
    places = [place for place in alone if after < place[0] <= until]
    differences = [
        abs(other[place][name] - alone[place][name]) / alone[place][name]
        for place in places
        for name in LOSSES
    ]
    return {"largest_difference": max(differences), "lines": len(places)}


def parse() -> argparse.Namespace:
    """Read the flags."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--results", type=Path)
    parser.add_argument("--data", default="builtin")
    return parser.parse_args()


def tell(record: list[dict], results: Path | None, name: str) -> None:
    """Print a record, and write it down where asked to."""
    text = json.dumps(record, indent=1)
    print(text)
    if results:
        results.mkdir(parents=True, exist_ok=True)
        (results / f"{name}.json").write_text(text + "\n")


def main() -> None:
    """Run both, compare, and write down and print what came of it."""
    arguments = parse()
    work = arguments.work.resolve()
    last = PARTS[-1][0]
    FLAGS["config.data.path"] = arguments.data
    run(work / "alone", last, 1, {}, work / "logs_alone")
    if (work / "alone" / "corpus").exists():  # prepared once
        FLAGS["config.data.path"] = str(work / "alone" / "corpus")
    for steps, processes, mesh in PARTS:
        run(work / "handed", steps, processes, mesh, work / "logs_handed")
    alone, handed = lines(work / "alone"), lines(work / "handed")
    assert alone.keys() == handed.keys()
    record, before = [], 0
    for steps, processes, mesh in PARTS:
        record.append(
            {
                "steps": [before + 1, steps],
                "processes": processes,
                "mesh": mesh,
                **compare(alone, handed, before, steps),
            }
        )
        before = steps
    tell(record, arguments.results, "elastic")


if __name__ == "__main__":
    main()

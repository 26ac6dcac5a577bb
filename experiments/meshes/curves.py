"""Twenty steps of `tiny` on meshes of eight simulated devices, against one device.

    python -m experiments.meshes.curves --work=WORK --results=experiments/meshes/results

WORK keeps the prepared text. Every mesh is computed by a process of its own, whose standard error
is searched for XLA's warnings. Names of meshes leave out the others; without `--results` only the
table is printed.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STEPS = 20
LOSSES = ("mlm_loss", "nsp_loss")
WARNING = "Involuntary full rematerialization"
PACKED = {"train.packed_length": 256, "train.packed_sequences": 4, "train.batch_size": 16}


@dataclass(frozen=True)
class Case:
    """What one process computes.

    Attributes:
        mesh: devices along each axis that has more than one.
        changes: to the config, by dotted name.
        against: the case of one device that it has to agree with.
    """

    mesh: dict[str, int]
    changes: dict[str, int]
    against: str


def cases() -> dict[str, Case]:
    """Name the cases; those of one device stand before those that are held against them."""
    meshes = (
        {"data": 8},
        {"data": 2, "fsdp": 4},
        {"data": 4, "fsdp": 2},
        {"data": 2, "fsdp": 2, "tensor": 2},
        {"data": 4, "sequence": 2},
        {"data": 2, "fsdp": 2, "sequence": 2},
        {"data": 2, "sequence": 2, "tensor": 2},
        {"fsdp": 2, "sequence": 2, "tensor": 2},
        {"data": 2, "sequence": 4},
        {"sequence": 8},
    )
    found = {"one": Case({}, {}, "one"), "one packed": Case({}, PACKED, "one packed")}
    for mesh in meshes:
        found[" ".join(f"{axis}={size}" for axis, size in mesh.items())] = Case(mesh, {}, "one")
    for mesh in ({"data": 8}, {"data": 2, "fsdp": 2, "sequence": 2}):
        name = " ".join(f"{axis}={size}" for axis, size in mesh.items())
        found[f"{name} packed"] = Case(mesh, PACKED, "one packed")
    return found


def compute(case: Case, work: Path) -> dict:
    """Take a case's steps in this process; give losses, a hash of all examples, what is sent."""
    import jax
    import numpy as np

    from bert_jax import cli
    from bert_jax.runs.pretraining import assemble, open_or_prepare
    from bert_jax.runs.pretraining_config import PretrainConfig
    from bert_jax.training.collectives import collectives
    from bert_jax.training.parameters import check_placed
    from configs import pretrain

    config = pretrain.get_config("tiny,cpu")
    config.prepare.tokenizer.vocab_size = 4096
    mesh = {f"mesh.{axis}": case.mesh.get(axis, 1) for axis in config.mesh}
    config.update_from_flattened_dict(
        {"train.batch_size": 32, "train.steps": STEPS, "optimizer.warmup_steps": 0}
        | {"optimizer.learning_rate": 1e-3, "optimizer.schedule": "constant"} | mesh | case.changes
    )  # fmt: skip
    plain = cli.build(PretrainConfig, config.to_dict(), "config")
    pretraining = assemble(plain, open_or_prepare(plain, work))
    (phase,) = pretraining.plan.phases
    stage = pretraining.stage(phase, pretraining.rows("train", phase))
    state = pretraining.initial_state(None)
    rate, largest = np.float32(1e-3), np.float32(np.inf)
    step = stage.train_step.lower(state, stage.batch(0), rate, largest).compile()
    draw = jax.jit(pretraining.objective(phase).examples)
    digest, curve = hashlib.sha256(), []
    for number in range(STEPS):
        batch = stage.batch(number)
        for leaf in jax.tree.leaves(draw(batch, jax.random.key(number))):
            digest.update(np.ascontiguousarray(jax.device_get(leaf)).tobytes())
        state, metrics, _ = step(state, batch, rate, largest)
        means = {
            name: float(metrics[name].numerator / metrics[name].denominator) for name in LOSSES
        }
        curve.append(means | {"predictions": float(metrics["mlm_loss"].denominator)})
        if number == 0:
            check_placed(state, stage.shardings)
    sent = {kind: vars(found) for kind, found in collectives(step.as_text()).items()}
    return {"examples": digest.hexdigest(), "curve": curve, "sent": sent}


def start(name: str, case: Case, work: Path) -> dict:
    """Compute a case in a process with as many devices as its mesh has."""
    devices = 1
    for size in case.mesh.values():
        devices *= size
    environment = os.environ | {"JAX_PLATFORMS": "cpu", "JAX_NUM_CPU_DEVICES": str(devices)}
    command = [
        sys.executable,
        "-m",
        "experiments.meshes.curves",
        f"--work={work}",
        "--in-process",
        name,
    ]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{name}: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1]) | {"warnings": done.stderr.count(WARNING)}


def compare(found: dict, one: dict) -> dict:
    """Hold a mesh against one device."""
    differences = [
        abs(mine[name] - its[name]) / its[name]
        for mine, its in zip(found["curve"], one["curve"], strict=True)
        for name in LOSSES
    ]
    predictions = [[step["predictions"] for step in case["curve"]] for case in (found, one)]
    return {
        "largest_difference": max(differences),
        "same_examples": found["examples"] == one["examples"] and predictions[0] == predictions[1],
    }


def main() -> None:
    """Compute all cases, or those named, and write down and print what they gave."""
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--results", type=Path)
    parser.add_argument("--in-process", action="store_true")
    arguments = parser.parse_args()
    known = cases()
    work = arguments.work.resolve()
    if arguments.in_process:
        print(json.dumps(compute(known[arguments.names[0]], work)))
        return
    wanted = {name: case for name, case in known.items() if name in (arguments.names or known)}
    names = dict.fromkeys([case.against for case in wanted.values()] + list(wanted))
    results: dict[str, dict] = {}
    print("| mesh | largest difference | examples | MB sent | warnings |\n|---|---|---|---|---|")
    for name in names:
        found = start(name, known[name], work)
        compared = compare(found, results.get(known[name].against, found))
        results[name] = found | compared
        sent = ", ".join(
            f"{kind} {value['size'] / 1e6:.1f}" for kind, value in found["sent"].items()
        )
        same = "the same" if compared["same_examples"] else "OTHERS"
        difference = f"{compared['largest_difference']:.1e}"
        print(
            f"| {name} | {difference} | {same} | {sent or '-'} | {found['warnings']} |", flush=True
        )
    if arguments.results:
        arguments.results.mkdir(parents=True, exist_ok=True)
        (arguments.results / "curves.json").write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()

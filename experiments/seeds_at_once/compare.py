"""Steps of several seeds: one seed after another, side by side, and vectorized.

python -m experiments.seeds_at_once.compare --data=glue/MRPC --tokenizer=vocab.txt \
    --results=experiments/seeds_at_once/results/MACHINE.jsonl
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import jax
import numpy as np

from bert_jax import process
from bert_jax.runs.task_assembly import Finetuning
from bert_jax.training.state import TrainState, flatten
from experiments.benchmarks.assembled_task import finetuning_of
from experiments.benchmarks.sizes import Case


class OneAfterAnother:
    """The steps of a block by the compiled step of one seed, all of a seed's before the next's."""

    def __init__(self, made: Finetuning, seeds: Sequence[int]) -> None:
        self._made, self._step = made, made.side_by_side.of_one
        self.states = [made.initial_state(made.fitted(seed), seed) for seed in seeds]
        self._rows = [made.chosen(seed) for seed in seeds]

    def block(self, steps: range) -> None:
        """Compute a block of steps, and fetch what each tells."""
        made, unlimited = self._made, np.float32(np.inf)
        for place, rows in enumerate(self._rows):
            for step in steps:
                batch = made.put(made.filled(rows(step)))
                rate = np.float32(made.rate(step))
                self.states[place], *told = self._step(self.states[place], batch, rate, unlimited)
                jax.device_get(told)


class Together:
    """The steps of a block, in each those of all seeds."""

    def __init__(self, made: Finetuning, seeds: Sequence[int], abreast: Any) -> None:
        self._made, self._abreast, self._count = made, abreast, len(seeds)
        self._states = abreast.load([made.initial_state(made.fitted(seed), seed) for seed in seeds])
        self._rows = [made.chosen(seed) for seed in seeds]

    def block(self, steps: range) -> None:
        """Compute a block of steps, and fetch what each tells."""
        made, count = self._made, self._count
        for step in steps:
            batches = self._abreast.put([made.filled(rows(step)) for rows in self._rows])
            rates = np.full(count, made.rate(step), np.float32)
            limits = np.full(count, np.inf, np.float32)
            self._states, tell = self._abreast.step(self._states, batches, rates, limits)
            tell()

    @property
    def states(self) -> list[TrainState]:
        """Where each seed stands."""
        return [self._abreast.one(self._states, place) for place in range(self._count)]


def compare(size: str, batch_size: int, args: argparse.Namespace) -> dict[str, Any]:
    """Time the ways in turns, block by block; tell how far their seeds are apart at the end."""
    arguments = f"{args.task},{args.accelerator}"
    made = finetuning_of(
        Case(size, batch_size), arguments, args.data, args.tokenizer, train__what=args.what
    )
    seeds = range(args.seeds)
    makers: dict[str, Callable[[], Any]] = {
        "one after another": lambda: OneAfterAnother(made, seeds),
        "side by side": lambda: Together(made, seeds, made.side_by_side),
        "vectorized": lambda: Together(made, seeds, made.vectorized),
    }
    ways = {name: make() for name, make in makers.items() if name in args.ways}
    lengths = [made.chosen(0)(step).length for step in range(made.steps)]  # those of any seed
    warm = 1 + max(lengths.index(length) for length in set(lengths))
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    first: dict[str, float] = {}
    for name, way in ways.items():  # until every length was there: they are compiled
        begun = time.perf_counter()
        way.block(range(warm))
        first[name] = time.perf_counter() - begun
    for number in range(args.blocks):
        start = warm + number * args.steps
        for name, way in ways.items():
            begun = time.perf_counter()
            way.block(range(start, start + args.steps))
            seconds[name].append(time.perf_counter() - begun)
    base, *others = ways
    end = [flatten(state.params) for state in ways[base].states]
    split = made.task.selects_by
    scores = {
        name: [made.task.score(split, made.scores(s.params, split)) for s in way.states]
        for name, way in ways.items()
    }
    return {
        "size": size,
        "batch_size": batch_size,
        "what": args.what,
        "seeds": args.seeds,
        "compute_dtype": made.execution.compute_dtype,
        "device": jax.devices()[0].device_kind,
        "steps_a_block": args.steps,
        "seconds": seconds,
        "first_seconds": first,
        "ratio": {
            name: median(s / b for s, b in zip(seconds[name], seconds[base], strict=True))
            for name in others
        },
        "farthest": {
            name: max(
                float(np.abs(np.asarray(x) - np.asarray(one[path])).max())
                for one, state in zip(end, ways[name].states, strict=True)
                for path, x in flatten(state.params).items()
            )
            for name in others
        },
        "scores": scores,
        "equal_scores": {name: scores[name] == scores[base] for name in others},
    }


def main() -> None:
    """Compare for each size and batch, a line of JSON each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="folder of the task's data")
    parser.add_argument("--tokenizer", required=True, help="folder, vocab.txt or .model")
    parser.add_argument("--results", required=True, type=Path, help="JSONL, added to")
    parser.add_argument("--task", default="mrpc")
    parser.add_argument("--accelerator", default="cpu", help="cpu, gpu or tpu")
    parser.add_argument("--what", default="all", help="what moves, as of config.train.what")
    parser.add_argument("--sizes", default="tiny,mini")
    parser.add_argument("--batches", default="8,16,32")
    parser.add_argument("--ways", default="one after another,side by side,vectorized")
    parser.add_argument("--seeds", default=8, type=int)
    parser.add_argument("--steps", default=4, type=int, help="of a block")
    parser.add_argument("--blocks", default=7, type=int)
    args = parser.parse_args()
    args.ways = args.ways.split(",")
    for size in args.sizes.split(","):
        for batch_size in map(int, args.batches.split(",")):
            found = compare(size, batch_size, args)
            args.results.parent.mkdir(parents=True, exist_ok=True)
            with open(args.results, "a") as file:
                file.write(json.dumps(found) + "\n")
            shown = ("size", "batch_size", "ratio", "farthest", "equal_scores")
            print({name: found[name] for name in shown}, flush=True)


if __name__ == "__main__":
    process.settle()
    main()

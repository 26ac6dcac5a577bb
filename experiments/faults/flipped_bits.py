"""One bit flipped: in the newer of two checkpoints; in a prepared corpus with its tokenizer."""

import random
import shutil
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np

from bert_jax.data.shards import TIMING, open_corpus
from bert_jax.training.checkpoints import Checkpoints
from experiments.faults import artefacts, damage, guard
from experiments.faults.tries import Campaign, Result, Try

_EACH = 200


@dataclass(frozen=True)
class _Shared:
    """Two checkpoints, and a corpus."""

    checkpoints: Path
    corpus: Path


def prepare(work: Path) -> _Shared:
    """Make what is to be damaged."""
    checkpoints = artefacts.make_checkpoints(work / "checkpoints")
    return _Shared(checkpoints.directory, artefacts.make_corpus(work / "corpus"))


def attempt(shared: _Shared, one: Try) -> Result:
    """Flip a bit in a copy and read it."""
    if one.number >= _EACH:
        corpus = Path(shutil.copytree(shared.corpus, one.folder / "corpus"))
        # What the timing says is printed once and never used.
        file = choose_file(corpus, one.draw, leave=TIMING)
        what = damage.flip_bit(file, one.draw)
        return judge_corpus(guard.call(lambda: open_corpus(corpus)), what)
    copy = Path(shutil.copytree(shared.checkpoints, one.folder / "checkpoints"))
    file = choose_file(copy / f"{artefacts.NEWER:08d}", one.draw)
    what = damage.flip_bit(file, one.draw)
    return judge_checkpoints(copy, what)


def choose_file(folder: Path, draw: random.Random, leave: str = "") -> Path:
    """Choose a file: half the time any, so that small ones have their turn; else by its bytes."""
    files = [p for p in sorted(folder.rglob("*")) if p.is_file() and p.name != leave]
    sizes = [path.stat().st_size for path in files]
    weights = sizes if draw.random() < 0.5 else [size > 0 for size in sizes]
    return draw.choices(files, weights)[0]


def judge_checkpoints(folder: Path, what: str) -> Result:
    """Restore, and see whether it is the older state, with a word about the newer one."""
    like = artefacts.like(artefacts.make_state(0))
    came = guard.call(lambda: Checkpoints(folder, keep=2).restore(like))
    if came.kind != "fine":
        return Result(f"checkpoints: {came.kind}", False, f"{what}: {came.text}")
    state, _ = came.value
    step = int(state.step)
    if step != artefacts.OLDER or not _same(state, artefacts.make_state(artefacts.OLDER)):
        return Result("checkpoints: used in silence", False, f"{what}: step {step}")
    if not any("passing over" in text for text in came.warned):
        return Result("checkpoints: passed over in silence", False, what)
    return Result("checkpoints: noticed, the one before used", True)


def judge_corpus(came: guard.Came, what: str) -> Result:
    """See whether a corpus was refused."""
    if came.kind == "fine":
        return Result("corpus: used in silence", False, what)
    return Result(f"corpus: {came.kind}", came.kind == "refused", f"{what}: {came.text}")


def _same(one, other) -> bool:
    leaves = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return all(_bytes(a) == _bytes(b) for a, b in leaves)


def _bytes(leaf) -> bytes:
    if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        leaf = jax.random.key_data(leaf)
    return np.asarray(leaf).tobytes()


CAMPAIGN = Campaign(
    asked="200 in checkpoints, 200 in shards, tokenizer and manifest: 0 used in silence",
    tries=2 * _EACH,
    short=12,
    prepare=prepare,
    attempt=attempt,
)

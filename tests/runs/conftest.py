"""What tests of fine-tuning share: a toy task, a tiny model, and runs on one device."""

import dataclasses
import random
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

# A run of 40 steps that is evaluated at 10, 20, 30 and 40. Dropout is on so that its keys matter;
# not every step that is logged or evaluated is one that is saved.
TOY = {
    "compute_dtype": "float32",
    "data.label_column": "class",
    "optimizer.learning_rate": 3e-2,
    "train.epochs": 8.0,
    "train.batch_size": 16,
    "train.eval_batch_size": 16,
    "train.max_seq_length": 12,
    "train.static_lengths": (12,),
    "train.evaluations": 4,
    "train.log_every": 3,
    "train.checkpoint_every": 8,
}
CLASSES = {"bad": "awful dull", "fair": "decent plain", "good": "lovely superb"}
OTHERS = "a film of the year that we saw twice in one week with its cast and crew".split()


def make_rows(count: int, seed: int) -> list[tuple[str, str]]:
    """Texts of 2 to 9 words, and their class: a single word tells it."""
    draw = random.Random(seed)
    rows = []
    for _ in range(count):
        name = draw.choice(list(CLASSES))
        words = draw.choices(OTHERS, k=draw.randint(1, 8))
        words.insert(draw.randint(0, len(words)), draw.choice(CLASSES[name].split()))
        rows.append((" ".join(words), name))
    return rows


def write_rows(path: Path, rows: list[tuple[str, str]]) -> None:
    lines = (f"{text}\t{name}\n" for text, name in rows)
    path.write_text("text\tclass\n" + "".join(lines))


@pytest.fixture(scope="session")
def toy_task(tmp_path_factory) -> Path:
    """A folder with 75 rows to train on, 37 to validate with, and 9 whose classes are hidden."""
    folder = tmp_path_factory.mktemp("toy")
    write_rows(folder / "train.tsv", make_rows(75, seed=0))
    write_rows(folder / "dev.tsv", make_rows(37, seed=1))
    texts = "".join(f"{text}\n" for text, _ in make_rows(9, seed=2))
    (folder / "test.tsv").write_text("text\n" + texts)
    return folder


@pytest.fixture(scope="session")
def toy_tokenizer():
    """Every word of the toy task, and pieces for a few more."""
    from bert_jax.data.wordpiece import SPECIAL_TOKENS, WordPiece

    words = [word for words in CLASSES.values() for word in words.split()]
    return WordPiece([*SPECIAL_TOKENS, *words, *dict.fromkeys(OTHERS), *"xyz"], lower_case=True)


@pytest.fixture(scope="session")
def toy_model(toy_tokenizer, tmp_path_factory) -> Path:
    """A folder with a tiny model without a head: a layer, 16 wide, 12 positions."""
    from bert_jax.interop.published import Published
    from bert_jax.model import BertConfig
    from bert_jax.runs.models import complete, write_model

    config = BertConfig(
        toy_tokenizer.vocab_size, 16, 1, 2, 32, max_position_embeddings=12, initializer_range=0.2
    )
    model = Published(config, "encoder", (), {}, (), None, Path("drawn"))
    folder = tmp_path_factory.mktemp("model")
    write_model(folder, model, complete(model).params, toy_tokenizer)
    return folder


@pytest.fixture(scope="session")
def finetune_values(toy_task, toy_model):
    """A function (changes by dotted name, task) that gives a toy run's config as plain values."""
    from configs import finetune

    def make(changes: dict | None = None, task: str = "own") -> dict:
        config = finetune.get_config(task)
        paths = {"data.path": str(toy_task), "init_from": str(toy_model)}
        config.update_from_flattened_dict(TOY | paths | (changes or {}))
        return config.to_dict()

    return make


@pytest.fixture(scope="session")
def finetune(finetune_values, with_devices):
    """A function (folder, changes, task) that runs, or continues, a toy run on one device."""
    from bert_jax import cli
    from bert_jax.runs import finetuning
    from bert_jax.runs.finetuning_config import FinetuneConfig

    def run(workdir: Path, changes: dict | None = None, task: str = "own") -> int:
        values = finetune_values(changes, task)
        config = cli.build(FinetuneConfig, values, "config")
        with with_devices(1):
            return finetuning.run(config, values, workdir, "the command")

    return run


class Killed(BaseException):
    """Stands for a process that ends: nothing in the code under test catches it."""


@pytest.fixture(scope="session")
def finetune_until(finetune):
    """A function (folder, step, changes) that runs until it writes the step's line of metrics."""
    from bert_jax.training.records import Records

    def run(workdir: Path, last: int, changes: dict | None = None) -> None:
        whole = Records.metrics

        def metrics(self, step, split, values):
            if step == last:
                with open(workdir / "metrics.jsonl", "a") as file:
                    file.write('{"step": ')
                raise Killed
            whole(self, step, split, values)

        with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
            patch.setattr(Records, "metrics", metrics)
            finetune(workdir, changes)

    return run


@pytest.fixture(scope="session")
def assembled_toy(finetune_values, with_devices):
    """A function (changes, number of devices, task) that puts a toy `Finetuning` together."""
    from bert_jax import cli
    from bert_jax.runs import finetuning
    from bert_jax.runs.finetuning_config import FinetuneConfig

    def make(changes: dict | None = None, devices: int = 1, task: str = "own"):
        config = cli.build(FinetuneConfig, finetune_values(changes, task), "config")
        with with_devices(devices):
            return finetuning.assemble(config)

    return make


@pytest.fixture(scope="session")
def toy_run(finetune, tmp_path_factory) -> Path:
    """The folder of a run of the toy task from the tiny model, never interrupted."""
    workdir = tmp_path_factory.mktemp("runs") / "straight"
    assert finetune(workdir) == 0
    return workdir


FORGET = {
    "key": lambda state, window: (dataclasses.replace(state, key=jax.random.key(12345)), window),
    "moments": lambda state, window: (
        dataclasses.replace(state, opt_state=jax.tree.map(jnp.zeros_like, state.opt_state)),
        window,
    ),
    "window": lambda state, window: (state, {}),
}


@pytest.fixture(params=FORGET)
def forgotten(request, monkeypatch) -> str:
    """What restoring a checkpoint leaves out: key, moments, or the window of metrics."""
    from bert_jax.training.checkpoints import Checkpoints

    whole, forget = Checkpoints.restore, FORGET[request.param]
    monkeypatch.setattr(Checkpoints, "restore", lambda self, like: forget(*whole(self, like)))
    return request.param

"""Mutated tables, JSON, configs, checkpoints and weights: an error of one line, or none."""

import functools
import json
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.numpy import load_file

from bert_jax import cli
from bert_jax.data.shards import open_corpus
from bert_jax.runs.pretraining import assemble
from bert_jax.runs.pretraining_config import PretrainConfig
from bert_jax.runs.tasks import TaskSource, load_task
from bert_jax.seals import file_sha256, seal
from bert_jax.training.checkpoints import Checkpoints
from configs import finetune
from experiments.faults import artefacts, damage, guard, pickles, toy
from experiments.faults.tries import Campaign, Result, Try

_ROWS = [("a film", "good"), ("so dull", "bad"), ("we saw it", "good"), ("never", "bad")] * 3


@dataclass(frozen=True)
class _Shared:
    """What is whole, to be copied and mutated."""

    corpus: Path
    checkpoints: Path
    own: Path
    published: Path
    pickled: Path


def prepare(work: Path) -> _Shared:
    """Make the artefacts, with weights as torch would have written them too."""
    published = artefacts.make_model(work / "published", "huggingface")
    pickled = work / "pickled"
    if not pickled.exists():
        shutil.copytree(published, pickled)
        arrays = load_file(pickled / "model.safetensors")
        (pickled / "model.safetensors").unlink()
        pickles.write_weights(pickled / "pytorch_model.bin", arrays)
    return _Shared(
        artefacts.make_corpus(work / "corpus"),
        artefacts.make_checkpoints(work / "checkpoints").directory,
        artefacts.make_model(work / "own", "own"),
        published,
        pickled,
    )


def attempt(shared: _Shared, one: Try) -> Result:
    """Mutate an input and read it as a run would."""
    kind = list(INPUTS)[one.number // _EACH]
    action = INPUTS[kind](shared, one.folder, one.draw)
    came = guard.call(action)
    return Result(f"{kind}: {came.kind}", came.is_clear, came.text)


def _rows(ending: str, shared: _Shared, folder: Path, draw: random.Random) -> Callable[[], Any]:
    """Write rows of texts and classes."""
    objects = [{"text": text, "label": label} for text, label in _ROWS]
    cut = {"tsv": "\t", "csv": ","}.get(ending, "")
    contents = {
        "json": lambda: _changed_json(objects, draw),
        "jsonl": lambda: "\n".join(map(json.dumps, objects)).encode(),
    }
    table = "".join(f"{cut.join(row)}\n" for row in [("text", "label"), *_ROWS]).encode()
    data = contents.get(ending, lambda: table)()
    (folder / f"train.{ending}").write_bytes(damage.mutate(data, draw))
    return _task("own", folder, {"labels": ("good", "bad")} if draw.random() < 0.5 else {})


def _tags(shared: _Shared, folder: Path, draw: random.Random) -> Callable[[], Any]:
    """Write tagged words."""
    sentence = "Anna B-PER\nSmith I-PER\nin O\nParis B-LOC\n. O\n\n"
    for name in ("train", "dev"):
        (folder / f"{name}.txt").write_bytes(damage.mutate(sentence.encode() * 4, draw))
    return _task("tags", folder, {"tagging.broken_tags": draw.choice(("error", "repair"))})


def _questions(shared: _Shared, folder: Path, draw: random.Random) -> Callable[[], Any]:
    """Write questions about a context."""
    context = "Anna lives in Paris. She likes it."
    answers = [{"text": "Paris", "answer_start": 14}]
    asked = [{"id": f"q{i}", "question": "Where?", "answers": answers} for i in range(3)]
    whole = {"data": [{"title": "t", "paragraphs": [{"context": context, "qas": asked}]}]}
    for name in ("train-v1.1.json", "dev-v1.1.json"):
        (folder / name).write_bytes(_changed_json(whole, draw))
    return _task("squad1", folder, {"questions.max_query_length": 4, "questions.doc_stride": 4})


def _task(name: str, folder: Path, changes: dict[str, Any]) -> Callable[[], Any]:
    config = finetune.get_config(name)
    fields = {f"data.{field}": value for field, value in changes.items()}
    config.update_from_flattened_dict({"data.path": str(folder), **fields})
    source = cli.build(TaskSource, config.data.to_dict(), "config.data")
    return lambda: load_task(name, source, artefacts.make_tokenizer(), 16)


def _run_config(shared: _Shared, folder: Path, draw: random.Random) -> Callable[[], Any]:
    """Change a value of a run's config, and put the run together."""
    values = damage.mutate_value(toy.run_values(shared.corpus), draw)

    def action() -> None:
        assemble(cli.build(PretrainConfig, values, "config"), open_corpus(shared.corpus))

    return action


def _model(
    form: str, names: tuple[str, ...], shared: _Shared, folder: Path, draw: random.Random
) -> Callable[[], Any]:
    """Change one of the files that a model's folder has."""
    copy = Path(shutil.copytree(getattr(shared, form), folder / "model"))
    path = copy / draw.choice(names)
    if path.suffix == ".json" and draw.random() < 0.8:
        path.write_bytes(_changed_json(json.loads(path.read_text()), draw))
    else:
        path.write_bytes(damage.mutate(path.read_bytes(), draw))
    return functools.partial(artefacts.read_all, copy)


def _pickle(shared: _Shared, folder: Path, draw: random.Random) -> Callable[[], Any]:
    """Change the pickle in an archive whose checksums are then right."""
    copy = Path(shutil.copytree(shared.pickled, folder / "model"))
    arrays = load_file(shared.published / "model.safetensors")
    program = pickles.state_dict({name: array.shape for name, array in arrays.items()})
    numbers = {str(i): array.tobytes() for i, array in enumerate(arrays.values())}
    pickles.write_zip(copy / "pytorch_model.bin", damage.mutate(program, draw), numbers)
    return functools.partial(artefacts.read_all, copy)


def _checkpoint(shared: _Shared, folder: Path, draw: random.Random) -> Callable[[], Any]:
    """Change a manifest or a file, and have the manifest vouch for it: nobody's accident."""
    copy = Path(shutil.copytree(shared.checkpoints, folder / "checkpoints"))
    newest = copy / f"{artefacts.NEWER:08d}"
    path = newest / "manifest.json"
    manifest = json.loads(path.read_text())
    if draw.random() < 0.5:
        manifest = damage.mutate_value(manifest, draw)
    else:
        name = draw.choice(sorted(manifest["files"]))
        (newest / name).write_bytes(damage.mutate((newest / name).read_bytes(), draw))
        size = (newest / name).stat().st_size
        manifest["files"][name] = {"sha256": file_sha256(newest / name), "bytes": size}
    path.write_text(json.dumps(manifest))
    seal(path)
    like = artefacts.like(artefacts.make_state(0))
    return lambda: Checkpoints(copy, keep=2).restore(like)


def _corpus(shared: _Shared, folder: Path, draw: random.Random) -> Callable[[], Any]:
    """Change a corpus's manifest and seal it again; look into every shard."""
    copy = Path(shutil.copytree(shared.corpus, folder / "corpus"))
    path = copy / "manifest.json"
    path.write_bytes(_changed_json(json.loads(path.read_text()), draw))
    seal(path)

    def action() -> None:
        for split in open_corpus(copy).splits.values():
            for shard in split.shards:
                _ = shard.tokens, shard.sentence_offsets, shard.document_offsets

    return action


def _changed_json(value: Any, draw: random.Random) -> bytes:
    """Write JSON with a value changed, and sometimes bytes too."""
    data = json.dumps(damage.mutate_value(value, draw), indent=1).encode()
    return damage.mutate(data, draw) if draw.random() < 0.3 else data


_EACH = 40
_Make = Callable[[_Shared, Path, random.Random], Callable[[], Any]]
_TOKENIZER = ("vocab.txt", "tokenizer.json", "tokenizer_config.json")
INPUTS: dict[str, _Make] = {
    "TSV": functools.partial(_rows, "tsv"),
    "CSV": functools.partial(_rows, "csv"),
    "JSON": functools.partial(_rows, "json"),
    "JSON lines": functools.partial(_rows, "jsonl"),
    "CoNLL": _tags,
    "SQuAD": _questions,
    "config of a run": _run_config,
    "config.json": functools.partial(_model, "published", ("config.json",)),
    "tokenizer": functools.partial(_model, "published", _TOKENIZER),
    "safetensors": functools.partial(_model, "published", ("model.safetensors",)),
    "pytorch_model.bin": functools.partial(_model, "pickled", ("pytorch_model.bin",)),
    "pickle": _pickle,
    "model.json": functools.partial(_model, "own", ("model.json",)),
    "checkpoint": _checkpoint,
    "corpus": _corpus,
}

CAMPAIGN = Campaign(
    asked="500; 0 tracebacks",
    tries=_EACH * len(INPUTS),
    short=30,
    prepare=prepare,
    attempt=attempt,
)

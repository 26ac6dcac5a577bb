"""Prepared corpora, checkpoints and runs that mean harm, with sums that are right."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bert_jax.data.shards import open_corpus
from bert_jax.report import write_report
from bert_jax.seals import file_sha256, seal
from bert_jax.training.checkpoints import Checkpoints, load_arrays
from experiments.faults import artefacts, pickles
from experiments.faults.hostile_weights import Accepted

Action = Callable[[], Any]
# A maker is given an empty folder, a whole corpus, whole checkpoints, and the canary's path.
Maker = Callable[[Path, Path, Path, Path], Action]


def named(name: str) -> Maker:
    """Have a corpus's manifest name a file elsewhere."""

    def make(folder: Path, corpus: Path, checkpoints: Path, canary: Path) -> Action:
        copy = Path(shutil.copytree(corpus, folder / "corpus"))
        outside = canary.parent / "outside" / "victim"
        place = name.replace("OUT", str(outside))
        if name == "link":
            (copy / "link").symlink_to(outside)
        entry = {"sha256": file_sha256(outside), "bytes": outside.stat().st_size}
        _edit(copy, lambda manifest: manifest["files"].update({place: entry}))
        return _refused(lambda: open_corpus(copy))

    return make


def array(content: Callable[[Path], bytes]) -> Maker:
    """Put a file in the place of a corpus's array."""

    def make(folder: Path, corpus: Path, checkpoints: Path, canary: Path) -> Action:
        copy = Path(shutil.copytree(corpus, folder / "corpus"))
        path = copy / "train-00000.tokens.npy"
        path.write_bytes(content(canary))
        entry = {"sha256": file_sha256(path), "bytes": path.stat().st_size}
        _edit(copy, lambda manifest: manifest["files"].update({path.name: entry}))
        return _refused(lambda: _arrays(copy))

    return make


def sizes(**values: int) -> Maker:
    """Have a corpus's manifest claim other sizes than its arrays have."""

    def make(folder: Path, corpus: Path, checkpoints: Path, canary: Path) -> Action:
        copy = Path(shutil.copytree(corpus, folder / "corpus"))
        _edit(copy, lambda manifest: manifest["splits"]["train"]["shards"][0].update(values))
        return _refused(lambda: _arrays(copy))

    return make


def _arrays(corpus: Path) -> Any:
    shard = open_corpus(corpus).splits["train"].shards[0]
    return shard.tokens, shard.sentence_offsets, shard.document_offsets


def checkpoint(
    change: Callable[[Path, Path], object], loads: bool = False, spoilt: bool = True
) -> Maker:
    """Change the newest of two checkpoints, or its surroundings; restore, or load parameters."""

    def make(folder: Path, corpus: Path, checkpoints: Path, canary: Path) -> Action:
        copy = Path(shutil.copytree(checkpoints, folder / "checkpoints"))
        change(copy / f"{artefacts.NEWER:08d}", canary.parent / "outside")
        like = artefacts.like(artefacts.make_state(0))

        def action() -> None:
            if loads:
                load_arrays(copy)
                raise Accepted("loaded")
            restored = Checkpoints(copy, keep=1).restore(like)
            if spoilt and restored is not None and int(restored[0].step) == artefacts.NEWER:
                raise Accepted("restored")
            # The next save cleans up behind it, and must stay at home.
            Checkpoints(copy, keep=1).save(artefacts.make_state(artefacts.NEWER + 1), {})

        return action

    return make


def page(text: str) -> Maker:
    """Put a text wherever a run's page shows one."""

    def make(folder: Path, corpus: Path, checkpoints: Path, canary: Path) -> Action:
        tokens = [[text, 0.5]] * 5
        sentence = {"text": f"{text} [MASK]", "masks": [{"top": tokens, "token": text}]}
        (folder / "metrics.jsonl").write_text(json.dumps({"step": 1, "split": text, text: 1.0}))
        line = json.dumps({"step": 1, "sentences": [sentence]})
        (folder / "samples.jsonl").write_text(line + "\n")
        (folder / "notes.jsonl").write_text(json.dumps({"step": 1, "text": text}) + "\n")
        (folder / "run.json").write_text(json.dumps({"status": text, "command": text, text: text}))
        (folder / "config.json").write_text(json.dumps({"model": {text: text}, "seed": text}))

        def action() -> None:
            html = write_report(folder).read_text(encoding="utf-8")
            if text in html:
                raise Accepted("the text stands on the page as it is")

        return action

    return make


def _edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the manifest of a corpus or a checkpoint, and seal it again."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))
    seal(path)


def _refused(read: Action) -> Action:
    def action() -> None:
        raise Accepted(str(read())[:100])

    return action


def _npy(header: str) -> bytes:
    data = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(data).to_bytes(2, "little") + data


def _with_pickle(canary: Path) -> bytes:
    header = _npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }")
    return header + pickles.commands(canary)["os.system"]


def _linked_folder(newest: Path, outside: Path) -> None:
    shutil.copytree(newest / "params", outside / "params")
    shutil.rmtree(newest / "params")
    (newest / "params").symlink_to(outside / "params")


def _named_outside(newest: Path, outside: Path) -> None:
    _edit(newest, lambda m: m["files"].update({"../../outside/victim": _ENTRY}))


def _huge(newest: Path, outside: Path) -> None:
    arrays = {"dense/kernel": [[2**40, 2**20], "float32"]}
    _edit(newest, lambda m: m["arrays"].update(params=arrays))


def _odd_dtype(newest: Path, outside: Path) -> None:
    arrays = {"dense/kernel": [[16, 8], "__import__('os')"]}
    _edit(newest, lambda m: m["arrays"].update(params=arrays))


_ENTRY = {"sha256": "0" * 64, "bytes": 7}
_CALL = "{'descr': '<u2', 'fortran_order': False, 'shape': (__import__('os').system('x'),), }"
MAKERS: dict[str, Maker] = {
    **{f"corpus: names {name!r}": named(name) for name in ("../outside/victim", "OUT", "link")},
    "corpus: names NUL": named("a\x00b"),
    "corpus: names x...": named("x" * 5_000),
    "array: a pickle": array(_with_pickle),
    "array: code in its header": array(lambda canary: _npy(_CALL)),
    "array: 2**60 numbers": array(
        lambda canary: _npy(f"{{'descr': '<u2', 'fortran_order': False, 'shape': ({2**60},), }}")
    ),
    "array: 2**80 numbers": array(
        lambda canary: _npy(f"{{'descr': '<u2', 'fortran_order': False, 'shape': ({2**80},), }}")
    ),
    "corpus: 2**60 tokens": sizes(tokens=2**60),
    "corpus: -5 sentences": sizes(sentences=-5),
    "checkpoint: arrays elsewhere": checkpoint(_linked_folder),
    "checkpoint: names a file elsewhere": checkpoint(_named_outside),
    "checkpoint: 2**60 numbers": checkpoint(_huge, loads=True),
    "checkpoint: no dtype": checkpoint(_odd_dtype, loads=True),
    "checkpoint: a pipe": checkpoint(lambda newest, outside: os.mkfifo(newest / "params" / "p")),
    "checkpoint: a leftover is a link": checkpoint(
        lambda newest, outside: (newest.parent / ".1.partial").symlink_to(outside),
        spoilt=False,
    ),
    "checkpoint: a step is a link": checkpoint(
        lambda newest, outside: (newest.parent / "00000099").symlink_to(outside),
        spoilt=False,
    ),
    "checkpoint: a step is no number": checkpoint(
        lambda newest, outside: (newest.parent / "²").mkdir(), spoilt=False
    ),
    "page: a script": page("<script>fetch('//x')</script>"),
    "page: an attribute": page('" onmouseover="alert(1)'),
}

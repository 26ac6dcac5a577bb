"""Folders of models whose weights, indexes or descriptions mean harm."""

import json
import os
import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from experiments.faults import artefacts, pickles

Action = Callable[[], Any]
# A maker is given an empty folder, a whole model of Hugging Face's form, and the canary's path.
Maker = Callable[[Path, Path, Path], Action]

_HUGE = 2**31 - 1


def _copy(folder: Path, model: Path) -> Path:
    """Copy the model, without its weights."""
    copy = Path(shutil.copytree(model, folder / "model"))
    (copy / "model.safetensors").unlink()
    return copy


def _read(folder: Path) -> Action:
    return lambda: artefacts.read_all(folder)


def pickled(program: Callable[[Path], bytes], form: str) -> Maker:
    """Put a pickle where torch would: in an archive, a packed archive, or a file of its own."""

    def make(folder: Path, model: Path, canary: Path) -> Action:
        copy = _copy(folder, model)
        path = copy / "pytorch_model.bin"
        if form == "bare":
            path.write_bytes(program(canary))
        else:
            pickles.write_zip(path, program(canary), {"0": bytes(16)}, packed=form == "packed")
        return _read(copy)

    return make


def archive(members: dict[str, bytes], claimed: int = 0) -> Maker:
    """Write an archive with such members, that may claim to hold more than it does."""

    def make(folder: Path, model: Path, canary: Path) -> Action:
        copy = _copy(folder, model)
        path = copy / "pytorch_model.bin"
        with zipfile.ZipFile(path, "w") as file:
            for name, data in members.items():
                file.writestr(name.replace("CANARY", str(canary)), data)
        if claimed:
            data = path.read_bytes()
            place = data.rindex(b"PK\x01\x02") + 20  # sizes, packed and not, in the directory
            sizes = struct.pack("<II", claimed, claimed)
            path.write_bytes(data[:place] + sizes + data[place + 8 :])
        return _read(copy)

    return make


def safetensors(header: Any, length: int | None = None) -> Maker:
    """Write a file with a header of one's choice, or one that is said to be longer."""

    def make(folder: Path, model: Path, canary: Path) -> Action:
        copy = _copy(folder, model)
        data = header if isinstance(header, bytes) else json.dumps(header).encode()
        size = len(data) if length is None else length
        (copy / "model.safetensors").write_bytes(struct.pack("<Q", size) + data + bytes(64))
        return _read(copy)

    return make


def index(name: str, link: str = "") -> Maker:
    """Write an index that names a file elsewhere, by its path or by a link."""

    def make(folder: Path, model: Path, canary: Path) -> Action:
        copy = _copy(folder, model)
        outside = canary.parent / "outside"
        shutil.copy(model / "model.safetensors", outside / "weights.safetensors")
        if link:
            (copy / name).symlink_to(outside / link)
        weights = {"weight_map": {"bert.pooler.dense.bias": name.replace("OUT", str(outside))}}
        (copy / "model.safetensors.index.json").write_text(json.dumps(weights))
        return _refused(copy)

    return make


def config(**fields: Any) -> Maker:
    """Claim sizes that would take all memory."""

    def make(folder: Path, model: Path, canary: Path) -> Action:
        copy = Path(shutil.copytree(model, folder / "model"))
        path = copy / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | fields))
        return _refused(copy)

    return make


def special_file(name: str, make_file: Callable[[Path], None], needed: bool = True) -> Maker:
    """Put a device, a pipe or a link in a file's place, which may be one that can be spared."""

    def make(folder: Path, model: Path, canary: Path) -> Action:
        copy = Path(shutil.copytree(model, folder / "model"))
        (copy / name).unlink()
        make_file(copy / name)
        return _refused(copy) if needed else _read(copy)

    return make


class Accepted(Exception):
    """What should have been refused was read."""


def _refused(folder: Path) -> Action:
    """Read what must not be read at all."""

    def action() -> None:
        artefacts.read_all(folder)
        raise Accepted(folder.name)

    return action


def _command(kind: str) -> Callable[[Path], bytes]:
    return lambda canary: pickles.commands(canary)[kind]


def _bomb(kind: str) -> Callable[[Path], bytes]:
    return lambda canary: pickles.bombs()[kind]


_TENSOR = {"dtype": "F32", "shape": [16], "data_offsets": [0, 64]}
MAKERS: dict[str, Maker] = {
    **{
        f"pickle, {form}: {kind}": pickled(_command(kind), form)
        for form, kinds in {
            "zip": pickles.commands(Path("x")),
            "bare": ("os.system", "eval"),
            "packed": ("os.system",),
        }.items()
        for kind in kinds
    },
    **{f"bomb: {kind}": pickled(_bomb(kind), "zip") for kind in pickles.bombs()},
    "archive: a member elsewhere": archive({"../../canary": b"x", "a/data.pkl": b"N."}),
    "archive: a member at the root": archive({"CANARY": b"x", "a/data.pkl": b"N."}),
    "archive: 4 GB claimed": archive({"a/data.pkl": b"N."}, claimed=2**32 - 2),
    "safetensors: a header of 2**62": safetensors({}, length=2**62),
    "safetensors: a tensor of 2**60": safetensors({"w": {**_TENSOR, "shape": [2**60]}}),
    "safetensors: beyond the end": safetensors({"w": {**_TENSOR, "data_offsets": [0, 2**50]}}),
    "safetensors: nested deep": safetensors(b"[" * 10**6),
    "index: ../": index("../outside/weights.safetensors"),
    "index: absolute": index("OUT/weights.safetensors"),
    "index: a link": index("weights.safetensors", link="weights.safetensors"),
    "index: NUL": index("a\x00b"),
    "config: a billion layers": config(num_hidden_layers=_HUGE),
    "config: a huge vocabulary": config(vocab_size=_HUGE),
    "config: wide": config(hidden_size=2**30, num_attention_heads=1),
    "config: long": config(max_position_embeddings=_HUGE),
    "config: code": config(auto_map={"AutoModel": "evil.Evil"}, model_type="evil"),
    "weights: /dev/zero": special_file(
        "model.safetensors", lambda path: path.symlink_to("/dev/zero")
    ),
    "weights: a pipe": special_file("model.safetensors", os.mkfifo),
    "vocabulary: a pipe": special_file("vocab.txt", os.mkfifo, needed=False),
}

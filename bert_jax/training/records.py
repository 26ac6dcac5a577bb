"""What a run writes down: JSON lines, which are the truth, and TensorBoard beside them."""

import json
import os
from pathlib import Path
from typing import Any

from bert_jax.whole import write_text

FILES = ("metrics", "samples", "notes")


class Records:
    """Append-only logs of a run, cut to the step that a run continues from."""

    def __init__(self, workdir: Path, step: int) -> None:
        """Open the logs of a run that stands at `step`; later lines are cut off.

        They belong to steps that were lost, and will be written again.
        """
        from tensorboardX import SummaryWriter

        self._paths = {name: workdir / f"{name}.jsonl" for name in FILES}
        for path in self._paths.values():
            _cut(path, step)
        self._board = SummaryWriter(str(workdir / "tensorboard"), purge_step=step + 1)

    def metrics(self, step: int, split: str, values: dict[str, float]) -> None:
        """Write a split's metrics at a step."""
        self._append("metrics", {"step": step, "split": split, **values})
        for name, value in values.items():
            self._board.add_scalar(f"{split}/{name}", value, step)

    def samples(self, step: int, sentences: list[dict[str, Any]]) -> None:
        """Write what the model says for [MASK] in the run's fixed sentences."""
        self._append("samples", {"step": step, "sentences": sentences})

    def note(self, step: int, text: str) -> None:
        """Write something the user should know."""
        self._append("notes", {"step": step, "text": text})

    def sync(self) -> None:
        """Make all that was written durable; to be called before a checkpoint names its step."""
        for path in self._paths.values():
            if path.exists():
                with open(path, "a") as file:
                    os.fsync(file.fileno())
        self._board.flush()

    def close(self) -> None:
        """Finish writing."""
        self._board.close()

    def _append(self, name: str, line: dict[str, Any]) -> None:
        with open(self._paths[name], "a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")


def _cut(path: Path, step: int) -> None:
    if not path.exists():
        return
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
        try:
            if line.endswith("\n") and json.loads(line)["step"] <= step:
                kept.append(line)
        except (ValueError, KeyError, TypeError):
            continue  # a line that a kill cut short
    write_text(path, "".join(kept))

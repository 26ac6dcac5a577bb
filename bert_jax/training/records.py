"""What a run writes down: JSON lines, which are the truth, and TensorBoard beside them."""

import json
import os
import time
import warnings
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from bert_jax.disk import naming
from bert_jax.whole import write_text

FILES = ("metrics", "samples", "notes", "skipped")
_FLUSH_SECONDS = 30.0  # TensorBoard lags behind by so much at most


class Records:
    """Append-only logs of a run, cut to the step that a run continues from."""

    def __init__(self, workdir: Path, step: int) -> None:
        """Open the logs of a run that stands at `step`; later lines are cut off.

        They belong to steps that were lost, and will be written again.

        Raises:
            DiskError: the file system refuses; so do all methods.
        """
        self._paths = {name: workdir / f"{name}.jsonl" for name in FILES}
        last = max(_cut(path, step) for path in self._paths.values())
        if last > step == 0:  # without a checkpoint; whoever deleted it should know
            warnings.warn(
                f"{workdir}: there is no checkpoint; training begins anew at step 0, and what was "
                f"logged up to step {last} is dropped",
                stacklevel=2,
            )
        self._board = _Board(workdir / "tensorboard", step + 1)

    def metrics(self, step: int, split: str, values: dict[str, float]) -> None:
        """Write a split's metrics at a step."""
        self._append("metrics", {"step": step, "split": split, **values})
        self._board.write(step, {f"{split}/{name}": value for name, value in values.items()})

    def samples(self, step: int, sentences: list[dict[str, Any]]) -> None:
        """Write what the model says for [MASK] in the run's fixed sentences."""
        self._append("samples", {"step": step, "sentences": sentences})

    def note(self, step: int, text: str) -> None:
        """Write something the user should know."""
        self._append("notes", {"step": step, "text": text})

    def skipped(self, step: int, values: dict[str, Any]) -> None:
        """Write what is known of a step that was left out."""
        self._append("skipped", {"step": step, **values})

    def sync(self) -> None:
        """Make all that was written durable; to be called before a checkpoint names its step."""
        for path in self._paths.values():
            if path.exists():
                with naming(path), open(path, "a") as file:
                    os.fsync(file.fileno())
        self._board.flush()

    def close(self) -> None:
        """Finish writing."""
        self._board.close()

    def _append(self, name: str, line: dict[str, Any]) -> None:
        path = self._paths[name]
        with naming(path), open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")


class _Board:
    """TensorBoard's file of events, written by whoever calls.

    tensorboardX's own writer has a thread, which ends on a full disk: who then waits for it to
    have written waits for ever.
    """

    def __init__(self, directory: Path, purge_step: int) -> None:
        """Begin a file; TensorBoard forgets what others there say of `purge_step` and later."""
        from tensorboardX.event_file_writer import EventsWriter

        # protobuf makes their classes when it imports them, which type checkers cannot follow.
        self._events: Any = import_module("tensorboardX.proto.event_pb2")
        self._summaries: Any = import_module("tensorboardX.proto.summary_pb2")
        self._directory = directory
        with naming(directory):
            directory.mkdir(parents=True, exist_ok=True)
            self._writer = EventsWriter(str(directory / "events"), f".{os.getpid()}")
            log = self._events.SessionLog
            self._event(purge_step, session_log=log(status=log.START))
        self._flushed = time.monotonic()

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Write values at a step."""
        summary = self._summaries.Summary
        entries = [summary.Value(tag=name, simple_value=value) for name, value in values.items()]
        with naming(self._directory):
            self._event(step, summary=summary(value=entries))
        if time.monotonic() - self._flushed > _FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Bring to disk what was written."""
        with naming(self._directory):
            self._writer.flush()
        self._flushed = time.monotonic()

    def close(self) -> None:
        """Finish writing."""
        with naming(self._directory):
            self._writer.close()

    def _event(self, step: int, **content: Any) -> None:
        event = self._events.Event(wall_time=time.time(), step=step, **content)
        self._writer.write_event(event)


def _cut(path: Path, step: int) -> int:
    """Drop the lines of later steps; return the last step that there was a line of."""
    if not path.exists():
        return 0
    kept, last = [], 0
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
        try:
            if line.endswith("\n"):
                found = json.loads(line)["step"]
                last = max(last, found)
                kept += [line] if found <= step else []
        except (ValueError, KeyError, TypeError):
            continue  # a line that a kill cut short
    with naming(path):
        write_text(path, "".join(kept))
    return last

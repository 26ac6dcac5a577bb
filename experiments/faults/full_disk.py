"""A disk that is full after so many bytes: in preparation, in logging, in a save, at the end."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from bert_jax.errors import DiskError
from experiments.faults import folders
from experiments.faults.reference import Reference, make_reference
from experiments.faults.tries import Campaign, Result, Skipped, Try

_TRIES = 20
_SIZE = 16 << 20  # bytes of the small file system


def prepare(work: Path) -> Reference:
    """Make the reference, and see that a file system can be made."""
    if os.geteuid() != 0:
        raise Skipped("a small file system is mounted by root alone")
    try:
        with small_disk(work / "disk"):
            pass
    except subprocess.CalledProcessError as error:
        raise Skipped(f"no tmpfs can be mounted here ({error.stderr.strip()})") from None
    return make_reference(work)


def attempt(reference: Reference, one: Try) -> Result:
    """Leave too little room, run, make room, run again."""
    needed = sum(path.stat().st_size for path in reference.run.rglob("*") if path.is_file())
    # Tries are spread over the whole run, the first of them with next to nothing.
    share = (one.number + one.draw.random()) / _TRIES
    with small_disk(one.folder / "disk") as disk:
        run, ballast = disk / "run", disk / "ballast"
        fill(ballast, _SIZE - int(share * 1.1 * needed))
        ended = reference.start(run).end()
        problems = []
        if ended.code == 0:
            return Result("there was room", not folders.corrupt(run))
        if ended.code != DiskError.exit_code or not ended.is_clear:
            problems.append(f"exit code {ended.code}: {ended.error[-500:]}")
        saved = folders.steps(run)
        problems += folders.corrupt(run)
        problems += [f"left behind: {name}" for name in folders.leftovers(run)]
        ballast.unlink()
        different = reference.finish(run)
        problems += [f"with room, it ended otherwise: {different}"] if different else []
    kind = "said so; the save before it is good" if saved else "said so before the first save"
    return Result(kind if not problems else "not as asked", not problems, "; ".join(problems))


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """Mount a file system of a few megabytes.

    Raises:
        CalledProcessError: this is not allowed here.
    """
    folder.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={_SIZE}", "tmpfs", str(folder)]
    subprocess.run(mount, check=True, capture_output=True, text=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(path: Path, size: int) -> None:
    """Write so many bytes, or as many as there is room for."""
    with contextlib.suppress(OSError), open(path, "wb", buffering=0) as file:
        for _ in range(size >> 12):
            file.write(bytes(1 << 12))


CAMPAIGN = Campaign(
    asked="20; clear, at that save, previous one restorable",
    tries=_TRIES,
    short=1,
    prepare=prepare,
    attempt=attempt,
)

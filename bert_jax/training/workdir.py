"""The folder a run lives in, held by one process at a time."""

import contextlib
import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bert_jax.disk import naming
from bert_jax.errors import ConfigError, WorkdirInUse
from bert_jax.training.processes import Processes

SEEN_SECONDS = 60.0  # for what process 0 writes to show on another host; NFS takes its time


@contextlib.contextmanager
def locked(workdir: Path) -> Iterator[None]:
    """Make a folder and hold it; the lock goes with the process, however that ends.

    Half-written files that a killed process left there are removed.

    Raises:
        WorkdirInUse: another process holds it.
        ConfigError: the path is not a folder and cannot become one, or cannot be locked.
        DiskError: the file system refuses.
    """
    try:
        with naming(workdir):
            workdir.mkdir(parents=True, exist_ok=True)
            lock = open(workdir / "lock", "a+")
    except (FileExistsError, NotADirectoryError) as error:
        raise ConfigError(f"--workdir={workdir}: there is a file in its place") from error
    except OSError as error:
        raise ConfigError(f"--workdir={workdir}: {error.strerror}") from error
    with lock as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            holder = file.read().strip() or "?"
            raise WorkdirInUse(
                f"{workdir} is in use by process {holder}; wait for it, stop it, or choose "
                "another --workdir"
            ) from error
        except OSError as error:
            raise ConfigError(
                f"--workdir={workdir}: cannot be locked ({error.strerror})"
            ) from error
        with naming(workdir / "lock"):
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
        for path in workdir.glob(".*.*.partial"):  # as `whole_file` names them
            path.unlink(missing_ok=True)
        yield


@contextlib.contextmanager
def held(workdir: Path, processes: Processes) -> Iterator[Path]:
    """Hold a folder for all processes of a run, and give each the folder that it writes to.

    For process 0 that is the folder itself, for the others one that is thrown away: so whatever a
    run writes, one process writes it. Checkpoints alone are written together.

    Raises:
        WorkdirInUse, ConfigError, DiskError: as of `locked`, on process 0.
        ConfigError: another process does not see the folder of process 0.
    """
    if processes.first:
        with locked(workdir):
            processes.told("workdir", (workdir / "lock").read_text())
            yield workdir
        return
    lock = processes.told("workdir", "")
    deadline = time.monotonic() + SEEN_SECONDS
    while not _holds(workdir / "lock", lock):
        if time.monotonic() > deadline:
            raise ConfigError(
                f"--workdir={workdir}: {processes.name(processes.index)} does not see there what "
                "process 0 wrote; several hosts need a folder that they share"
            )
        time.sleep(0.5)
    with tempfile.TemporaryDirectory(prefix="bert_jax_") as own:
        yield Path(own)


def _holds(path: Path, text: str) -> bool:
    try:
        return path.read_text() == text
    except OSError:
        return False

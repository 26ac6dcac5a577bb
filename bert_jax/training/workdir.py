"""The folder a run lives in, held by one process at a time."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from bert_jax.disk import naming
from bert_jax.errors import ConfigError, WorkdirInUse


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

"""What stands for Slurm where there is none."""

import pytest


class Answers:
    """A folder of programs that tell what is in files, and note how they were called."""

    def __init__(self, folder):
        self.folder = folder
        for name in ("squeue", "scontrol", "scancel", "sbatch", "srun"):
            program = folder / name
            program.write_text(
                f'#!/bin/sh\necho "{name} $*" >> {folder}/calls\n'
                f"env > {folder}/{name}.environment\n"
                f"cat {folder}/{name}.error >&2 2>/dev/null && exit 1\n"
                f"cat {folder}/{name}.answer 2>/dev/null || true\n"
            )
            program.chmod(0o755)

    def say(self, name, text):
        (self.folder / f"{name}.answer").write_text(text)
        (self.folder / f"{name}.error").unlink(missing_ok=True)

    def fail(self, name, text):
        (self.folder / f"{name}.error").write_text(text)

    def calls(self, name):
        lines = (self.folder / "calls").read_text().splitlines()
        return [line.removeprefix(f"{name} ") for line in lines if line.startswith(f"{name} ")]


@pytest.fixture
def answers(tmp_path, monkeypatch):
    """Programs named as those of Slurm, first on the path."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    return Answers(folder)

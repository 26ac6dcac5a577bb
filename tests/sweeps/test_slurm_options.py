"""Options of sbatch from the command line."""

import pytest

from bert_jax.errors import ConfigError
from bert_jax.sweeps.slurm_options import read_options

KNOWN = ("partition", "time", "cpus_per_task", "setup", "exclusive", "mem")


def test_options_are_read_as_sbatch_has_them():
    texts = ["partition=gpu", "cpus-per-task=8", "exclusive=true", "mem=4GB"]
    wanted = {"partition": "gpu", "cpus_per_task": 8, "exclusive": True, "mem": "4GB"}
    assert read_options(texts, KNOWN) == wanted


def test_lines_to_run_beforehand_add_up():
    texts = ["setup=module load cuda", "setup=export A=B"]
    assert read_options(texts, KNOWN) == {"setup": ["module load cuda", "export A=B"]}


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("240", 240),
        ("30:01", 31),
        ("04:00:00", 240),
        ("1-00", 1440),
        ("1-02:30", 1590),
        ("2-00:00:01", 2881),
    ],
)
def test_a_time_in_any_form_of_sbatch_is_in_minutes(text, minutes):
    assert read_options([f"time={text}"], KNOWN) == {"time": minutes}


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["time"], "--slurm time: wants NAME=VALUE"),
        (["partion=gpu"], "--slurm partion=gpu: no such option of sbatch .*partition.*SBATCH_"),
        (["mem=1GB", "mem=2GB"], "--slurm mem=2GB: given twice"),
        (["time=4h"], "--slurm time=4h: wants minutes, HOURS:MINUTES:SECONDS"),
        (["time=1:2:3:4"], "wants minutes"),
        (["time=0"], "--slurm time=0: wants a minute or more"),
    ],
)
def test_what_sbatch_could_not_take_is_refused(texts, message):
    with pytest.raises(ConfigError, match=message):
        read_options(texts, KNOWN)

"""Tell what a pretraining run will cost before it is started, on devices that need not be there.

    python -m bert_jax.plan --config=configs/bert.py:base,tpu --topology=v5e:4x4

The config and its fields are those of `pretrain`. The step is compiled as a run would compile it,
for this machine (the default) or a topology: v5e:4x4, v5p:2x2x1, v6e:2x2, h100:8, or cpu:8 for so
many simulated devices. Exit code 2: it does not fit.
"""

import sys
from pathlib import Path
from typing import Any

from absl import flags

from bert_jax import cli, process
from bert_jax.errors import ConfigError

_CHIPS = "1,2,4,8,16,32,64,128,256,512,1024,2048,4096"


def _define(values: flags.FlagValues) -> None:
    text, number = flags.DEFINE_string, flags.DEFINE_float
    here = "The devices of this machine, where there is no topology."
    flags.DEFINE_enum("target", "here", ["here"], here, flag_values=values)
    text("topology", "", "Others: v5e:4x4, h100:8, cpu:8.", flag_values=values)
    text("output", None, "Folder for plan.json and plan.html.", flag_values=values)
    flags.DEFINE_list("chips", _CHIPS, "Devices to predict for.", flag_values=values)
    number("efficiency", 1.0, "Share of the peak that products reach.", flag_values=values)
    number("watts", None, "What a device draws.", flag_values=values)
    number("price_per_device_hour", None, "Of one device.", flag_values=values)
    flags.DEFINE_bool("largest_batch", False, "Search for it.", flag_values=values)


def settle(argv: list[str]) -> None:
    """Have JAX compile for the topology; before a config file asks it for its devices.

    Raises:
        ConfigError: it is not one, or the compiler for it is not installed.
    """
    from bert_jax.planning import target

    values = flags.FlagValues()
    _define(values)
    try:
        values(argv, known_only=True)
    except flags.Error as error:
        raise ConfigError(" ".join(str(error).split())) from error
    if values.topology:
        target.settle(target.parse_topology(values.topology))


def main(arguments: cli.Arguments) -> int:
    """Plan, print it, and write it down where asked to."""
    from bert_jax.planning.planning import plan
    from bert_jax.report.plan.page import write_plan
    from bert_jax.report.plan.text import as_text, verdict
    from bert_jax.runs.pretraining_config import PretrainConfig

    values = flags.FLAGS
    config = cli.build(PretrainConfig, arguments.config.to_dict(), "config")
    planned = plan(config, _target(config.compute_dtype), _options())
    planned["command"] = arguments.command
    print(as_text(planned), flush=True)
    if values.output:
        print(f"\n{write_plan(planned, Path(values.output))}")
    if not planned["fits"]:
        raise ConfigError(verdict(planned))
    return 0


def _target(compute_dtype: str) -> Any:
    from bert_jax.planning import target, this_machine

    topology = flags.FLAGS.topology
    asked = target.parse_topology(topology) if topology else None
    if asked is None or asked.platform == "cpu":
        return this_machine.here(topology or "here", compute_dtype)
    return target.absent(asked)


def _options() -> Any:
    from bert_jax.planning.planning import Options

    values = flags.FLAGS
    try:
        chips = [int(number) for number in values.chips]
    except ValueError as error:
        raise ConfigError(f"--chips={','.join(values.chips)}: wants numbers by commas") from error
    if any(number < 1 for number in chips) or not 0 < values.efficiency <= 1:
        raise ConfigError("--chips wants numbers of at least 1, --efficiency one in (0, 1]")
    rates = (values.watts, values.price_per_device_hour)
    return Options(chips, values.efficiency, values.largest_batch, *rates)


if __name__ == "__main__":
    process.keep_compiled_programs()
    _define(flags.FLAGS)
    cli.run(main, workdir=False, before=lambda: settle(sys.argv))

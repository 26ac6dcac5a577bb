"""Prepare a corpus: text to token shards.

    python -m bert_jax.prepare --config=configs/prepare.py \
        --config.input='corpus/*.txt.gz' --config.output=prepared

On several hosts by Apache Beam, whose own options stand after `--`:

    python -m bert_jax.prepare --config=configs/prepare.py \
        --config.input='/shared/corpus/*.txt.gz' --config.output=/shared/prepared \
        --runner=beam -- --runner=FlinkRunner --flink_master=HOST:PORT
"""

from pathlib import Path

from absl import flags

from bert_jax import cli
from bert_jax.data.preparation import PrepareConfig, prepare
from bert_jax.data.remote import is_remote
from bert_jax.data.remote_corpus import prepare_to
from bert_jax.errors import ConfigError
from bert_jax.training.signals import Stopped, stop_requests

_RUNNER = flags.DEFINE_enum(
    "runner", "local", ["local", "beam"], "Who does the work: processes here, or Apache Beam."
)


def main(arguments: cli.Arguments) -> int:
    """Prepare what the config asks for."""
    fields = arguments.config.to_dict()
    output, workers = fields.pop("output"), fields.pop("workers")
    if not output:
        raise ConfigError("config.output: empty; name the folder to make")
    config = cli.build(PrepareConfig, fields, "config")
    if is_remote(output) and _RUNNER.value == "beam":
        raise ConfigError(
            f"config.output: {output} with --runner=beam; name a folder on a file system that all "
            "workers share, such as a mounted bucket"
        )
    run = None
    if _RUNNER.value == "beam":
        from bert_jax.data.beam import beam_run

        run = beam_run(arguments.passed_on)
    elif arguments.passed_on:
        raise ConfigError(f"-- {arguments.passed_on[0]}: options of Beam want --runner=beam")
    with stop_requests() as stop:
        try:
            with stop.at_once():
                if is_remote(output):
                    prepare_to(config, output, workers=workers)
                else:
                    prepare(config, Path(output), workers=workers, run=run)
        except BaseException as error:
            if stop.number is None:
                raise
            # Beam has its own errors for whatever is raised while it runs, this too.
            stopped = error if isinstance(error, Stopped) else Stopped(stop.number)
            print(f"{stopped}; nothing was kept, the same command begins anew")
            return stopped.exit_code
    return 0


if __name__ == "__main__":
    cli.run(main, workdir=False, passes_on=True)

"""Prepare a corpus: text to token shards.

    python -m bert_jax.prepare --config=configs/prepare.py \
        --config.input='corpus/*.txt.gz' --config.output=prepared
"""

from pathlib import Path

from bert_jax import cli
from bert_jax.data.preparation import PrepareConfig, prepare
from bert_jax.errors import ConfigError
from bert_jax.training.signals import Stopped, stop_requests


def main(arguments: cli.Arguments) -> int:
    """Prepare what the config asks for."""
    fields = arguments.config.to_dict()
    output, workers = fields.pop("output"), fields.pop("workers")
    if not output:
        raise ConfigError("config.output: empty; name the folder to make")
    config = cli.build(PrepareConfig, fields, "config")
    with stop_requests() as stop:
        try:
            with stop.at_once():
                prepare(config, Path(output), workers=workers)
        except Stopped as stopped:
            print(f"{stopped}; nothing was kept, the same command begins anew")
            return stopped.exit_code
    return 0


if __name__ == "__main__":
    cli.run(main, workdir=False)

"""Prepare a corpus: text to token shards.

    python -m bert_jax.prepare --config=configs/prepare.py \
        --config.input='corpus/*.txt.gz' --config.output=prepared
"""

from pathlib import Path

from bert_jax import cli
from bert_jax.data.preparation import PrepareConfig, prepare
from bert_jax.errors import ConfigError


def main(arguments: cli.Arguments) -> None:
    """Prepare what the config asks for."""
    fields = arguments.config.to_dict()
    output, workers = fields.pop("output"), fields.pop("workers")
    if not output:
        raise ConfigError("config.output: empty; name the folder to make")
    config = cli.build(PrepareConfig, fields, "config")
    prepare(config, Path(output), workers=workers)


if __name__ == "__main__":
    cli.run(main, workdir=False)

"""Pretrain BERT from prepared shards, or straight from text.

    python -m bert_jax.pretrain --config=configs/quickstart.py --workdir=runs/quickstart

The same command again continues a run that was stopped, and says so when one is finished.
"""

from bert_jax import cli, process


def main(arguments: cli.Arguments) -> int:
    """Run, or continue, the run in the workdir."""
    from bert_jax.errors import ConfigError
    from bert_jax.runs.pretraining import run
    from bert_jax.runs.pretraining_config import PretrainConfig

    assert arguments.workdir is not None
    values = arguments.config.to_dict()
    config = cli.build(PretrainConfig, values, "config")
    if config.budget_minutes and "train.steps" in arguments.overridden:
        raise ConfigError(
            f"--config.budget_minutes={config.budget_minutes:g} and --config.train.steps="
            f"{config.train.steps}: both say how long to train; leave one of them out"
        )
    started = process.seconds_since_start()
    return run(config, values, arguments.workdir, arguments.command, started)


if __name__ == "__main__":
    process.settle()
    from bert_jax.training.joining import joined

    cli.run(main, join=joined)

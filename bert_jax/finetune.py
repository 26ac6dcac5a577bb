"""Fine-tune a BERT on a task.

    python -m bert_jax.finetune --config=configs/finetune.py:sst2 \
        --config.data.path=glue/SST-2 --config.init_from=MODEL --workdir=runs/sst2

The same command again continues a run that was stopped, and says so when one is finished.
"""

from bert_jax import cli, process


def main(arguments: cli.Arguments) -> int:
    """Run, or continue, the run in the workdir."""
    from bert_jax.runs.finetuning import run
    from bert_jax.runs.finetuning_config import FinetuneConfig

    assert arguments.workdir is not None
    values = arguments.config.to_dict()
    config = cli.build(FinetuneConfig, values, "config")
    return run(config, values, arguments.workdir, arguments.command)


if __name__ == "__main__":
    process.settle()
    from bert_jax.training.joining import joined

    cli.run(main, join=joined)

"""The paper's whole recipe: 90% of the steps at length 128, then 10% at 512 (arXiv:1810.04805).

    python -m bert_jax.pretrain --config=configs/bert.py:base,tpu \
        --config.data.path=DIR --workdir=runs/bert_base

Takes what `configs/pretrain.py` takes behind the colon. The schedule runs on through the second
phase. Hardware and scores at full size: not yet run.
"""

from ml_collections import ConfigDict

from configs import pretrain


def get_config(arguments: str = "") -> ConfigDict:
    """Make the config of a size on an accelerator."""
    config = pretrain.get_config(arguments)
    config.phases.long = ConfigDict()
    config.phases.long.steps = config.train.steps // 10  # the last ones of train.steps
    config.phases.long.max_seq_length = 512  # tokens
    config.phases.long.max_predictions = 80  # masked tokens a sequence at most
    config.phases.long.restart_schedule = False  # True: warm up and decay anew
    return config

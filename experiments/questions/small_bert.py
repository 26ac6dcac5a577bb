"""A BERT small enough to be asked questions of: five minutes of one core a run.

`configs/two_cores.py:tiny` with 1,000 steps of its rows of 32 tokens, 4.1 M tokens in all, which is
enough to leave the plateau at the unigram entropy. It never sees a longer row.
"""

from ml_collections import ConfigDict

from configs import two_cores


def get_config() -> ConfigDict:
    """Make the config."""
    config = two_cores.get_config("tiny")
    del config.phases.long
    config.compute_dtype = "float32"  # as in all experiments so far, whatever the machine
    config.train.steps = 1_000
    config.train.eval_every = 50
    config.train.eval_sequences = 1_024
    config.train.checkpoint_every = 1_000
    config.train.keep_checkpoints = 1
    config.probe.every = 250
    return config

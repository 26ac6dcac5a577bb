"""A small BERT from the prose on your own machine, in minutes.

    python -m bert_jax.pretrain --config=configs/quickstart.py --workdir=runs/quickstart

Nothing is downloaded: the text is the documentation that comes with Python and its packages.
"""

from ml_collections import ConfigDict

from configs import pretrain


def get_config() -> ConfigDict:
    """Make the config."""
    config = pretrain.get_config("tiny,cpu")
    config.prepare.tokenizer.vocab_size = 4096

    # What leaves the plateau soonest at this size; BERT itself is post-norm with dropout 0.1.
    config.model.normalization = "pre"
    config.model.hidden_dropout_prob = 0.0
    config.model.attention_probs_dropout_prob = 0.0
    config.model.max_position_embeddings = 128

    config.optimizer.learning_rate = 3e-3
    config.optimizer.warmup_steps = 200

    config.train.steps = 2_000
    config.train.batch_size = 32
    config.train.log_every = 50
    config.train.eval_every = 250
    config.train.eval_sequences = 512
    config.train.checkpoint_every = 500
    return config

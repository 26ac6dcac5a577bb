"""What leaves the plateau at the unigram entropy soonest?"""

ARMS = {
    "rate 1e-3": {
        "optimizer.learning_rate": 0.001,
        "model.normalization": "pre",
        "output_bias": "frequencies",
        "train.batch_size": 128,
        "train.max_seq_length": 32,
        "train.max_predictions": 10,
    },
    "LayerNorm after": {
        "optimizer.learning_rate": 0.003,
        "model.normalization": "post",
        "output_bias": "frequencies",
        "train.batch_size": 128,
        "train.max_seq_length": 32,
        "train.max_predictions": 10,
    },
    "rows of 128": {
        "optimizer.learning_rate": 0.003,
        "model.normalization": "pre",
        "output_bias": "frequencies",
        "train.batch_size": 32,
        "train.max_seq_length": 128,
        "train.max_predictions": 39,
    },
    "recipe": {
        "optimizer.learning_rate": 0.003,
        "model.normalization": "pre",
        "output_bias": "frequencies",
        "train.batch_size": 128,
        "train.max_seq_length": 32,
        "train.max_predictions": 10,
    },
}
SEEDS = (0, 1, 2)
TASKS = ()

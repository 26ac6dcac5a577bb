"""Does a model learn the same with products of bfloat16 factors as with those of float32?"""

ARMS = {
    "float32": {"compute_dtype": "float32", "train.steps": 2_000},
    "bfloat16": {"compute_dtype": "bfloat16", "train.steps": 2_000},
}
SEEDS = (0,)
TASKS = ()

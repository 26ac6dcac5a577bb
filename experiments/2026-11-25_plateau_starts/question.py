"""Where a run starts, how it warms up, how large its steps are: does the plateau end sooner?"""

_RECIPE = {
    "output_bias": "frequencies",
    "model.initializer_range": 0.03,
    "optimizer.warmup_steps": 200,
    "train.batch_size": 128,
    "train.steps": 1_000,
    "train.eval_every": 50,
    "probe.every": 250,
}
# As many tokens, in steps of a quarter of them, and a warm-up of as many tokens.
_QUARTER = {
    "optimizer.warmup_steps": 800,
    "train.batch_size": 32,
    "train.steps": 4_000,
    "train.eval_every": 200,
    "probe.every": 1_000,
}
ARMS = {
    "recipe": _RECIPE,
    "bias zeros": _RECIPE | {"output_bias": "zeros"},
    "warm-up 20": _RECIPE | {"optimizer.warmup_steps": 20},
    "sigma 0.02": _RECIPE | {"model.initializer_range": 0.02},
    "batch 32": _RECIPE | _QUARTER,
}
SEEDS = (0, 1, 2)
TASKS = ()

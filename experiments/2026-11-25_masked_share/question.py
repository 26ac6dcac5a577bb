"""Is it better to predict 15% of the tokens, or 30%?"""

ARMS = {
    "15%": {"masking.rate": 0.15, "train.max_predictions": 5},
    "30%": {"masking.rate": 0.3, "train.max_predictions": 10},
}
SEEDS = (0, 1, 2)
TASKS = ("sst2", "qnli")

"""Does next sentence prediction help, or does it only cost?"""

ARMS = {
    "with": {"pairs.next_sentence": True},
    "without": {"pairs.next_sentence": False},
}
SEEDS = (0, 1, 2)
TASKS = ("sst2", "mrpc", "qnli")

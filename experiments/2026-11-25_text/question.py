"""What does the text of pretraining do to the score of a task?"""

ARMS = {
    "books": {"data.path": "books8k"},
    "Wikipedia": {"data.path": "enwiki8k"},
}
SEEDS = (0, 1, 2)
TASKS = ("sst2", "qnli")

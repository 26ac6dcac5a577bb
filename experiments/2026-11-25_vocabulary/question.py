"""A vocabulary of the corpus's own, of 8k entries, or the published one of 30k?"""

ARMS = {
    "published, 30k": {"data.path": "enwiki30k"},
    "own, 8k": {"data.path": "enwiki8k"},
}
SEEDS = (0, 1, 2)
TASKS = ("sst2",)

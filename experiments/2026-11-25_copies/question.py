"""New pairs and masks in every epoch, or ten fixed copies of the text as in the original?"""

ARMS = {
    "ten copies": {"data.path": "small8k", "data.dupe_factor": 10},
    "ever new": {"data.path": "small8k", "data.dupe_factor": 0},
}
SEEDS = (0, 1, 2)
TASKS = ()

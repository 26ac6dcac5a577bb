"""The campaigns by name, in the order of the table."""

import importlib

from experiments.faults.tries import Campaign

NAMES = (
    "kills",
    "resume_every_step",
    "flipped_bits",
    "truncated",
    "texts",
    "inputs",
    "hostile",
    "terminated",
    "full_disk",
    "two_starts",
    "nan_batch",
    "controls",
)


def load(name: str) -> Campaign:
    """Load a campaign; those that need no JAX do not import it."""
    return importlib.import_module(f"experiments.faults.{name}").CAMPAIGN

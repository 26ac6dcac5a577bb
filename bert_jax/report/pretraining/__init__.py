"""The page of a pretraining run."""

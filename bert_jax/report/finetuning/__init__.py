"""The page of a fine-tuning run, and of several that differ in their seed."""

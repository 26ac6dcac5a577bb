"""The training step, what it is sharded over, and the loop around it."""

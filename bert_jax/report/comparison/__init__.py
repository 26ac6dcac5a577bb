"""The page of runs beside each other, and whether one is better than another."""

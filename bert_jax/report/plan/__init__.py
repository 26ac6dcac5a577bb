"""What a run will cost, shown: as text and as a page, from the plan's plain data."""

"""What a run will cost on devices that need not be there."""

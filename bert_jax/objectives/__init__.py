"""Losses and the drawing of masks: pure functions of arrays."""

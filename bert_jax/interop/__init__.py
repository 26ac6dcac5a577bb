"""Published checkpoints: their files, names and layouts; no torch, no TensorFlow."""

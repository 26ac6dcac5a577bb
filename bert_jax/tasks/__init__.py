"""Fine-tuning tasks: readers, features, and what scores mean; NumPy alone."""

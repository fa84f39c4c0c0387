"""Speed of the training loop, side by side with what a user would otherwise write or pick: `python -m benchmarks`."""

"""Speed of whole fits, side by side with other packages: `python -m benchmarks`."""

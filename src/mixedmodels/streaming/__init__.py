"""Data larger than memory: sources, the plan of a model, and its sums over partitions."""

"""Marginal means: a grid of cells, averages over it, comparisons, trends and joint tests."""

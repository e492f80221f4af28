"""Checks of a fit: numbers against those of data simulated from it."""

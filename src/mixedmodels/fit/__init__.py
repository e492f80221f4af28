"""Fitted models: what the optimiser hands over, and the facade users see."""

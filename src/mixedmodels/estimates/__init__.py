"""Estimates: the stages of a model, its solution at one theta, and what is read off that."""

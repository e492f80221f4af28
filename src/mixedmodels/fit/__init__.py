"""Roles of a fit: the methods and properties that users call."""

"""Fits and models in the forms that other packages ask for; one module for each package."""

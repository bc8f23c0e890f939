"""Finds the live version of the model."""

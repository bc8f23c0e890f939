"""Trains the model and exports it with its transform graph."""

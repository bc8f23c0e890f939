"""Fits the transform graph on the training split and applies it."""

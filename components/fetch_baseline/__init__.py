"""Copies the live version into an artifact, with its statistics and evaluation."""

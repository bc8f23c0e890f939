"""Evaluates candidate and baseline with TFMA on the test split."""

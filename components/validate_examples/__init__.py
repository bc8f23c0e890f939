"""Validates statistics against the schema, and against the baseline for drift."""

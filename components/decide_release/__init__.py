"""Merges every report into one fail-closed decision."""

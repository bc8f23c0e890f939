"""Checks that the exported model loads and answers as evaluated."""

"""Finds the input files of the requested spans."""

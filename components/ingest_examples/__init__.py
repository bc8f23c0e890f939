"""Reads the input files, types, deduplicates, orders and splits the rows, and writes Parquet examples."""

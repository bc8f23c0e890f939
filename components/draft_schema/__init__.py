"""Reads a table that nobody here has seen, decides what each column is for, and drafts its schema."""

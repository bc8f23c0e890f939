"""Computes TFDV statistics of every split."""

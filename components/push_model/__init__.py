"""Pushes an approved model into the serving directory and records it in the ledger."""

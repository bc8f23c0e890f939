"""Pipelines, their configuration, the compiler, the local runner and the command line."""

"""The image that the stages run in."""

IMAGE = "sluice:latest"
"""Reference compiled into every stage unless the compiler is told another one (a digest, for a release)."""

"""The image that the stages run in, and what stands where in it."""

IMAGE = "sluice:latest"
"""Reference compiled into every stage unless the compiler is told another one (a digest, for a release)."""

PROJECT_DIR = "/project"
"""Where images hold the project."""

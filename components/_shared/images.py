"""The image that the stages run in, and what stands where in it."""

IMAGE = "sluice:latest"
"""Reference compiled into every stage unless the compiler is told another one (a digest, for a release)."""

IMAGE_VARIABLE = "SLUICE_IMAGE"
"""Environment variable in which push_model finds the image that it runs in, for the ledger."""

PROJECT_DIR = "/project"
"""Where images hold the project."""

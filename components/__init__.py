"""The stages of a Sluice pipeline, one folder each, and the private packages that they share."""

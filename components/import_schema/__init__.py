"""Takes the curated schema of a project into the pipeline."""

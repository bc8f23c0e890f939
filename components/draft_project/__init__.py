"""Writes the files of a new project, with bounds from quick models of its train and eval rows."""

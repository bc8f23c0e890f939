"""Cloud Storage: the client that everybody shares, and reading objects as input files."""

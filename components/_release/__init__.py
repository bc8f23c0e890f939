"""The release store: versions in a serving directory, the ledger and the push protocol. Standard library only."""

"""What every stage and every author needs: names, errors, the command line, outputs. Standard library only."""

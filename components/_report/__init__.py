"""Self-contained HTML pages and static plots."""

"""What spans ranges: one snapshot and one history of all ranges of a cluster."""

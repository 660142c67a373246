"""Data on disk: snapshot, journal, sample history and export, all written durably."""

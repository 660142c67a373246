"""Data behind the pages: live snapshot, queries, trends, alarm performance, alarm actions and commands."""

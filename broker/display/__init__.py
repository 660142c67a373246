"""Text of strangers made safe to show: control characters, terminal markup, spreadsheet formulas, times."""

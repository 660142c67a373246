"""Reports as single HTML pages that open without a network."""

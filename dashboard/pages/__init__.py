"""Pages, one file each: `register` adds the page to Dash's page registry, and its callbacks to the app."""

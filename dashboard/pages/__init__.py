"""The pages, one file each: PATH, TITLE, ORDER (None: not in the navigation), `layout` and `register`."""

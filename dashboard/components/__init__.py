"""Components of the pages: forms, tables, figures, dialogs."""

"""Parts that pages are made of: forms, tables, figures, dialogs."""

"""The wire: everything that crosses from one process to another has its shape here."""

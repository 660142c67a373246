"""Accounts, roles, sessions and sign-in."""

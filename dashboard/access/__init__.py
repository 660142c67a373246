"""Who may use the dashboard: accounts, sessions, sign-in, roles."""

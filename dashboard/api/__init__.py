"""HTTP API: the dashboard's data and alarm actions for programs."""

"""What the dashboard shows of a moment: snapshot tables and forecasts."""

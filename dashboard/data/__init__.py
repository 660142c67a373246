"""What pages read from and act through: snapshot, history, journal, alarm actions."""

"""Trials: runs that need both ends, such as the scorecard, which judges the alarms by what was really wrong."""

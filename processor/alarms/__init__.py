"""From scores to alarms: hold timers, lifecycle, cause and consequence, operator actions."""

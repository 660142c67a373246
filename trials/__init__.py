"""Offline trials of simulator and processor in one process: the scorecard of alarms, the accuracy of forecasts."""

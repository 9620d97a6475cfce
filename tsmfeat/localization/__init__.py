"""Interval scores become segments."""

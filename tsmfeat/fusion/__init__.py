"""Predictions of several models become one."""

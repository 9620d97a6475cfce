"""Temporal-shift features of video, once; every experiment on them in seconds."""

"""Jitted functions on plain arrays; they import nothing of ours."""

"""Segments and annotations become AP and mAP."""

"""Clips become embeddings."""

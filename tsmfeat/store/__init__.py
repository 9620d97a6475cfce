"""Embeddings in HDF5: write-once parts, one reader."""

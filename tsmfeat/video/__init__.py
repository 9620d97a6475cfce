"""A file becomes the clips of its intervals."""

"""What the stages hand to each other: frozen, checked once at construction, numpy only."""

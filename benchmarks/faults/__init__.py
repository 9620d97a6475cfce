"""What an extraction survives: faults of many kinds, on the whole command, as real processes."""

"""Features become interval scores."""

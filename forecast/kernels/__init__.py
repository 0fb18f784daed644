"""The recursions of `models/` made fast. Each kernel is held to its NumPy definition by a test."""

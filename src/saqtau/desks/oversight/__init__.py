"""Oversight: an object was opened by breaking the glass, and the prosecutor says whether that was right."""

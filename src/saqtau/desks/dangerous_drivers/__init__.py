"""Dangerous drivers: a plate read founds an alert, and the unit in the vehicle's way gets it."""

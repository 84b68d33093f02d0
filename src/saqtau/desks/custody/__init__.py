"""Custody: the cameras of police offices and penal colonies account for themselves, before the prosecutor."""

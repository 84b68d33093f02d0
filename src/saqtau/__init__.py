"""Saqtau: the digital work of a police and public-safety authority, accountable by construction."""

"""Cloned plates: one plate, read where one vehicle cannot have been."""

"""The public transparency report of a month. Pure: the same figures make the same bytes."""

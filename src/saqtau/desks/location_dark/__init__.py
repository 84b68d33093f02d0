"""Location dark: a unit on duty whose position is not heard any more."""

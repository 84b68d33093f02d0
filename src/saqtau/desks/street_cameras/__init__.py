"""Street and school cameras: dark ones are repaired, offences are marked, blind spots are declared."""

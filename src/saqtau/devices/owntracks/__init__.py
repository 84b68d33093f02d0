"""OwnTracks over HTTP: any phone becomes a test unit."""

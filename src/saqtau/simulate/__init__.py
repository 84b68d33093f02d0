"""A generated city with traffic, patrols and cameras, driven through the public inputs only."""

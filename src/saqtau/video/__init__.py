"""Video that accounts for itself: access units become fragments, fragments a chained file; what is missing is a gap."""

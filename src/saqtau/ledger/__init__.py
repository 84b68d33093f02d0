"""The tamper-evident log: C2SP formats over RFC 6962 trees. Pure but for `witness/` and the readers of `verify/`."""

"""Checking a log that others keep: from a folder, over HTTP, one entry, an export, a checkpoint on paper.

Nothing is trusted but the keys one is handed; nothing is written. Every function says in plain words what it checked,
and returns what did not hold.
"""

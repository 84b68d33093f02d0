"""The witness: another office's process that cosigns a log while it only grows, and keeps the proof when it does not.

It shares nothing with the police: own folder, own key, own SQLite file, no configuration of theirs.
"""

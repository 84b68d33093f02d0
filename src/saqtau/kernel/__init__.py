"""The kernel: pure, imports nothing of ours. Signals, registers, desks, items, rights, access."""

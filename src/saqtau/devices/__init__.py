"""How the world comes in. A folder a family: `parse.py` (pure, fuzzed), `server.py` (I/O), `device.py` (DEVICE)."""

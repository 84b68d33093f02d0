"""The rim towards people: console, tablet, and what they ask. Everything else knows nothing of HTTP."""

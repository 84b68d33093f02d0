"""Jobs of the police. A folder a desk: `desk.py` (DESK), `rules.py` (pure), `forms.py` (what each edge requires)."""

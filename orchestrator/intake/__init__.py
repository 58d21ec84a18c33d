"""ONE CALLBACK'S WHOLE STORY: what arrives (deliveries.py), and what it does (events.py)."""

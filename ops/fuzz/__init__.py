"""Malformed callback bodies and hostile requests by the million, and what must be true of whatever comes of them."""

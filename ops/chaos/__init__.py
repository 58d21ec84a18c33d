"""Chaos on purpose: a hostile provider, killed processes, and a checker that trusts nobody."""

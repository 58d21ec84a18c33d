"""The ops dashboard: a page of task states."""

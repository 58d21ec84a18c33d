"""Celery workers: they act on what the orchestrator has decided."""

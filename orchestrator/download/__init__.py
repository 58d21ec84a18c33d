"""Fetch what a stranger's URL points to, without being led into our own network."""

from orchestrator.download.fetch import Download, Downloader
from orchestrator.download.urls import redact_url
from orchestrator.download.wire import Resolver, resolve

__all__ = ["Download", "Downloader", "Resolver", "redact_url", "resolve"]

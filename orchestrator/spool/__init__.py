"""Deliveries on the disk of this machine while the database is away: appended, fsynced, drained in order."""

from orchestrator.spool.records import Delivery, unpack
from orchestrator.spool.segments import Segment
from orchestrator.spool.spool import Depth, Spool

__all__ = ["Delivery", "Depth", "Segment", "Spool", "unpack"]

"""Proof that a registry is what its users made of it: seals, audit, data, rules, signatures, exported heads."""

from vertherm.registry.check.heads import Head, current_head, export_head, read_head
from vertherm.registry.check.report import CheckReport
from vertherm.registry.check.run import check
from vertherm.registry.finding import Finding

__all__ = ["CheckReport", "Finding", "Head", "check", "current_head", "export_head", "read_head"]

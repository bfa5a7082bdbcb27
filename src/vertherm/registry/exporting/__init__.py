"""Taking records out: CSV, workbook, JSON and REDCap, at three levels of identification."""

from vertherm.registry.exporting.exporter import export

__all__ = ["export"]

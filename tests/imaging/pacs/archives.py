"""Archives and repeats as the tests use them."""

from __future__ import annotations

import json
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.servers.orthanc import Certificates, Orthanc
from vertherm.imaging.pacs.dicomweb import DicomwebArchive
from vertherm.imaging.pacs.dimse import DimseArchive
from vertherm.imaging.pacs.retry import Retry
from vertherm.imaging.pacs.settings import Dicomweb, Dimse, Tls

KINDS = ("dicomweb", "dimse")
QUICK = {"connect_s": 2.0, "read_s": 5.0, "pause_s": 0.0}


@dataclass(frozen=True)
class Series:
    """A series on disk."""

    folder: Path
    study: str
    uid: str

    @property
    def files(self) -> list[Path]:
        return sorted(self.folder.iterdir())


def tls_of(certificates: Certificates, **changes: Any) -> Tls:
    """The client's side of the TLS server."""
    given = {
        "ca_file": certificates.authority, "certificate": certificates.client, "key": certificates.client_key,
    }  # fmt: skip
    return Tls(**{**given, **changes})


def archive(server: Orthanc, kind: str, **changes: Any) -> DicomwebArchive | DimseArchive:
    """A server over one of its protocols."""
    given: dict[str, Any] = {"name": "test", "kind": kind, **QUICK}
    if server.certificates is not None:
        given["tls"] = tls_of(server.certificates)
    if kind == "dicomweb":
        return DicomwebArchive(Dicomweb(**{**given, "url": server.url, **changes}))
    return DimseArchive(
        Dimse(**{**given, "host": "127.0.0.1", "port": server.dicom, "called_ae": "ORTHANC", **changes})
    )


def patient(attempts: int = 4) -> tuple[Retry, list[float]]:
    """Repeats that do not really wait, and the pauses they would have made."""
    pauses: list[float] = []
    return Retry(attempts=attempts, pause_s=0.5, longest_pause_s=3.0, sleep=pauses.append), pauses


def stored_count(server: Orthanc) -> int:
    """Instances on the server, by its own count."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://127.0.0.1:{server.http}/statistics", timeout=5) as answer:
        return int(json.load(answer)["CountInstances"])

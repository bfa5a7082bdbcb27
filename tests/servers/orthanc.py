"""A real archive for the tests: Orthanc in a temporary folder, reachable on 127.0.0.1 only, gone with the tests.

It runs in a network namespace (see `orthanc_process`), because Orthanc 1.10.1 would else listen on all addresses.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

PLUGIN = "libOrthancDicomWeb.so"
_FOLDERS = ("/usr/share/orthanc/plugins", "/usr/lib/orthanc/plugins", "/usr/local/share/orthanc/plugins")
_PROCESS = Path(__file__).with_name("orthanc_process.py")
# Inside a network of its own every port is free.
HTTP, DICOM = 8042, 4242
INSTALL = "tests/servers/install.sh"


def need(reason: str) -> None:
    """What a missing server means: a skip with its reason on a user's machine, a failure where CI=true."""
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def plugin() -> Path | None:
    """The DICOMweb plugin, None where it or Orthanc or openssl is not installed."""
    if any(
        shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin") is None for name in ("Orthanc", "openssl")
    ):
        return None
    return next((path for folder in _FOLDERS if (path := Path(folder) / PLUGIN).exists()), None)


@dataclass
class Orthanc:
    """One server: its folder, its ports on 127.0.0.1, the certificates it uses (None: plain)."""

    folder: Path
    certificates: Certificates | None = None
    http: int = 0
    dicom: int = 0
    process: subprocess.Popen[str] | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """Address of its DICOMweb service."""
        return f"http{'s' if self.certificates else ''}://127.0.0.1:{self.http}/dicom-web"

    def start(self) -> None:
        """Start it, on the ports of its first start."""
        (self.folder / "orthanc.json").write_text(json.dumps(self._configuration()))
        web = f":{self.certificates.server.parent}" if self.certificates else ""
        log = (self.folder / "log").open("ab")
        with log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, str(_PROCESS), str(self.folder / "orthanc.json")),
                    *(f"{self.http}:{HTTP}{web}", f"{self.dicom}:{DICOM}"),
                ],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
                # Debian's DCMTK waits 40 ms for each acknowledgement (Nagle) unless told not to: a tenth of the time.
                env={**os.environ, "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin", "TCP_NODELAY": "1"},
            )  # fmt: skip
        assert self.process.stdout is not None
        line = self.process.stdout.readline().split()
        if len(line) != 2:
            self.kill()
            text = (self.folder / "log").read_text("utf-8", "replace")
            if "no network namespace" in text:
                need("Orthanc cannot be shut off from the network here: " + text.strip().splitlines()[-1])
            raise RuntimeError(f"Orthanc did not start: {text[-2000:]}")
        self.http, self.dicom = int(line[0]), int(line[1])

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        if self.process is not None:
            assert self.process.stdin is not None
            assert self.process.stdout is not None
            with suppress(BrokenPipeError):
                self.process.stdin.write("keep")
                self.process.stdin.close()
            self.process.wait(timeout=30)
            self.process.stdout.close()
            self.process = None

    def _configuration(self) -> dict[str, Any]:
        found = plugin()
        assert found is not None
        configuration = {
            "Name": "tests", "DefaultEncoding": "Utf8",
            "StorageDirectory": str(self.folder / "store"), "IndexDirectory": str(self.folder / "store"),
            "HttpPort": HTTP, "RemoteAccessAllowed": False, "AuthenticationEnabled": False, "DicomAet": "ORTHANC",
            "TcpNoDelay": True, "DicomPort": DICOM, "DicomAlwaysAllowEcho": True, "DicomAlwaysAllowFind": True,
            "DicomAlwaysAllowGet": True, "DicomAlwaysAllowStore": True, "DicomCheckCalledAet": True,
            "UnknownSopClassAccepted": True, "OverwriteInstances": False, "Plugins": [str(found)],
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/", "EnableWado": True, "Host": "127.0.0.1", "Ssl": False},
        }  # fmt: skip
        if self.certificates is not None:
            given = self.certificates
            configuration |= {
                "DicomTlsEnabled": True, "DicomTlsCertificate": str(given.server),
                "DicomTlsPrivateKey": str(given.server_key),
                "DicomTlsTrustedCertificates": str(given.authority), "DicomTlsRemoteCertificateRequired": True,
            }  # fmt: skip
        return configuration


@contextmanager
def running(certificates: Certificates | None = None) -> Iterator[Orthanc]:
    """A new, empty server; skips or fails (see `need`) where it is not installed."""
    if plugin() is None:
        need(f"Orthanc with its DICOMweb plugin, or openssl, is not installed ({INSTALL})")
    folder = Path(tempfile.mkdtemp(prefix="vertherm-orthanc-"))
    server = Orthanc(folder, certificates)
    try:
        server.start()
        yield server
    finally:
        server.kill()
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class Certificates:
    """PEM files: an authority, a server for 127.0.0.1, a client, another authority that signed nothing here."""

    authority: Path
    other_authority: Path
    server: Path
    server_key: Path
    server_both: Path
    client: Path
    client_key: Path

    @classmethod
    def made(cls, folder: Path) -> Certificates:
        """Certificates of a day, made by openssl."""
        authority, _ = _authority(folder, "authority")
        other, _ = _authority(folder, "other")
        server, server_key = _signed(folder, "server", "authority", "subjectAltName=IP:127.0.0.1,DNS:archive.test")
        client, client_key = _signed(folder, "client", "authority", "extendedKeyUsage=clientAuth")
        both = folder / "server-both.pem"
        both.write_bytes(server_key.read_bytes() + server.read_bytes())
        return cls(authority, other, server, server_key, both, client, client_key)


def _openssl(*arguments: str | Path) -> None:
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"openssl {arguments[0]} failed: {done.stderr}")


def _authority(folder: Path, name: str) -> tuple[Path, Path]:
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    _openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", f"/CN=Test {name}",
             "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-keyout", key, "-out", certificate)  # fmt: skip
    return certificate, key


def _signed(folder: Path, name: str, by: str, extension: str) -> tuple[Path, Path]:
    certificate, key, request = folder / f"{name}.pem", folder / f"{name}.key", folder / f"{name}.csr"
    _openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", key, "-out", request)
    extensions = folder / f"{name}.ext"
    extensions.write_text(f"{extension}\nauthorityKeyIdentifier=keyid\nbasicConstraints=critical,CA:FALSE\n")
    _openssl("x509", "-req", "-in", request, "-CA", folder / f"{by}.pem", "-CAkey", folder / f"{by}.key",
             "-CAcreateserial", "-days", "1", "-extfile", extensions, "-out", certificate)  # fmt: skip
    return certificate, key


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Certificates made for this run."""
    if shutil.which("openssl") is None:
        need(f"openssl is not installed ({INSTALL})")
    return Certificates.made(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def orthanc() -> Iterator[Orthanc]:
    """One plain server a worker."""
    with running() as server:
        yield server


@pytest.fixture(scope="session")
def orthanc_tls(certificates: Certificates) -> Iterator[Orthanc]:
    """One server a worker that speaks TLS only and demands a client's certificate."""
    with running(certificates) as server:
        yield server

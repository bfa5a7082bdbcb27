"""Encrypted connections: whom they trust, and what is said where they do not."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.imaging.pacs.archives import KINDS, Series, archive, tls_of
from tests.servers.orthanc import Certificates, Orthanc
from vertherm.imaging.pacs.errors import ArchiveError, TransientError
from vertherm.imaging.pacs.fetch import fetch
from vertherm.imaging.pacs.transfer import send


@pytest.mark.parametrize("kind", KINDS)
def test_round_trip_with_a_client_certificate(
    kind: str, orthanc_tls: Orthanc, made: Callable[..., Series], tmp_path: Path
) -> None:
    series = made(3)
    with archive(orthanc_tls, kind) as there:
        assert "answered" in there.echo()
        assert send(there, [series.folder]).counts["stored"] == 3
        assert len(fetch(there, series.study, series.uid, tmp_path / "back").files) == 3
        assert send(there, [series.folder]).counts["already there"] == 3


def _elsewhere(kind: str, server: Orthanc, host: str) -> dict[str, Any]:
    return {"url": server.url.replace("127.0.0.1", host)} if kind == "dicomweb" else {"host": host}


@pytest.mark.parametrize("kind", KINDS)
def test_an_unknown_authority_is_refused(kind: str, orthanc_tls: Orthanc, certificates: Certificates) -> None:
    tls = tls_of(certificates, ca_file=certificates.other_authority)
    with archive(orthanc_tls, kind, tls=tls) as there, pytest.raises(ArchiveError, match="trusted") as caught:
        there.echo()
    assert not isinstance(caught.value, TransientError)
    assert "certificate" in caught.value.got
    with archive(orthanc_tls, kind, tls=tls_of(certificates, ca_file=None)) as there, pytest.raises(ArchiveError):
        there.echo()


@pytest.mark.parametrize("kind", KINDS)
def test_a_certificate_for_another_host_is_refused(kind: str, orthanc_tls: Orthanc) -> None:
    with archive(orthanc_tls, kind, **_elsewhere(kind, orthanc_tls, "localhost")) as there:
        with pytest.raises(ArchiveError, match="trusted") as caught:
            there.echo()
        assert "mismatch" in caught.value.got.lower()


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_client_certificate_the_server_hangs_up(
    kind: str, orthanc_tls: Orthanc, certificates: Certificates
) -> None:
    tls = tls_of(certificates, certificate=None, key=None)
    with archive(orthanc_tls, kind, tls=tls) as there, pytest.raises(ArchiveError):
        there.echo()


@pytest.mark.parametrize("kind", KINDS)
def test_tls_to_a_plain_server_and_plain_to_a_tls_server_fail(
    kind: str, orthanc: Orthanc, orthanc_tls: Orthanc, certificates: Certificates
) -> None:
    secured = {"tls": tls_of(certificates)}
    if kind == "dicomweb":
        secured["url"] = orthanc.url.replace("http:", "https:")
    with archive(orthanc, kind, **secured) as there, pytest.raises(ArchiveError):
        there.echo()
    plain: dict[str, Any] = {"url": orthanc_tls.url.replace("https:", "http:")} if kind == "dicomweb" else {"tls": None}
    with archive(orthanc_tls, kind, **plain) as there, pytest.raises(ArchiveError):
        there.echo()


@contextmanager
def old_server(certificates: Certificates) -> Iterator[int]:
    """A server that speaks TLS 1.2 at most; yields its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificates.server_both)
    stop = threading.Event()

    def serve(listener: socket.socket) -> None:
        while not stop.is_set():
            with suppress(OSError):
                plain, _ = listener.accept()
                with plain, context.wrap_socket(plain, server_side=True) as secured:
                    secured.recv(1)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        yield listener.getsockname()[1]
        stop.set()
        thread.join()


@pytest.mark.parametrize("kind", KINDS)
def test_an_old_protocol_version_is_refused(kind: str, certificates: Certificates) -> None:
    with old_server(certificates) as port:
        there = Orthanc(Path(), certificates, http=port, dicom=port)
        with archive(there, kind, tls=tls_of(certificates, minimum_version="1.3")) as newer:
            with pytest.raises(ArchiveError, match="trusted") as caught:
                newer.echo()
            assert "VERSION" in caught.value.got
        with archive(there, kind) as older, pytest.raises(ArchiveError) as other:
            older.echo()
        assert "VERSION" not in other.value.got


@pytest.mark.parametrize("kind", KINDS)
def test_certificates_that_cannot_be_read_are_named(
    kind: str, orthanc_tls: Orthanc, certificates: Certificates, tmp_path: Path
) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    for changes in ({"ca_file": tmp_path / "ca.pem"}, {"ca_file": tmp_path / "none"}, {"key": certificates.server_key}):
        with (
            pytest.raises(ArchiveError, match="cannot be read") as caught,
            archive(orthanc_tls, kind, tls=tls_of(certificates, **changes)) as there,
        ):
            there.echo()
        assert str(next(iter(changes.values()))) in caught.value.where

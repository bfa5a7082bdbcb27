"""What an archive answers over DIMSE when it does not do what it was asked: each status in words."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEG2000Lossless, generate_uid
from pynetdicom import AE, evt
from pynetdicom.sop_class import (
    CTImageStorage,
    MRImageStorage,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    Verification,
)

from tests.imaging.pacs.archives import Series, patient
from tests.servers.orthanc import Orthanc
from vertherm.imaging.pacs.archive import StudyQuery, limits_of
from vertherm.imaging.pacs.dimse import DimseArchive
from vertherm.imaging.pacs.errors import ArchiveError, TransientError
from vertherm.imaging.pacs.fetch import fetch
from vertherm.imaging.pacs.settings import Dimse
from vertherm.imaging.pacs.transfer import send

Make = Callable[..., Series]
SYNTAXES = [ExplicitVRLittleEndian, ImplicitVRLittleEndian]


@contextmanager
def scp(handlers: dict[Any, Any], syntaxes: Any = SYNTAXES, title: str = "SCP") -> Iterator[DimseArchive]:
    """A small server of the tests' own on 127.0.0.1, and the archive that talks to it."""
    entity = AE(title)
    entity.require_called_aet = True
    queries = (StudyRootQueryRetrieveInformationModelFind, StudyRootQueryRetrieveInformationModelGet)
    for context in (Verification, *queries):
        entity.add_supported_context(context)
    entity.add_supported_context(CTImageStorage, syntaxes, scp_role=True, scu_role=True)
    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=list(handlers.items()))
    try:
        port = server.socket.getsockname()[1]
        common = {"name": "scp", "kind": "dimse", "connect_s": 2, "read_s": 0.5}
        yield DimseArchive(Dimse(**common, host="127.0.0.1", port=port, called_ae="SCP"))
    finally:
        server.shutdown()


def listing(event: Any) -> Iterator[tuple[int, Any]]:
    """No instance is held."""
    yield from ()


def find_status(status: int) -> Any:
    def handle(event: Any) -> Iterator[tuple[int, Any]]:
        yield status, None

    return handle


@pytest.mark.parametrize(
    ("status", "words"),
    [(0xA700, "Out of resources"), (0xA900, "match SOP class"), (0xC123, "0xC123"), (0xB000, "Coercion"),
     (0x0124, "Not authorised"), (0x0122, "not supported")],
)  # fmt: skip
def test_every_store_status_but_success_is_said_and_not_repeated(status: int, words: str, made: Make) -> None:
    calls: list[int] = []

    def store(event: Any) -> int:
        calls.append(1)
        return status

    series, (retry, pauses) = made(2), patient()
    with scp({evt.EVT_C_STORE: store, evt.EVT_C_FIND: listing}) as there:
        outcome = send(there, [series.folder], retry=retry)
    assert outcome.counts["failed"] == 2
    assert all(words.lower() in row.reason.lower() for row in outcome.rows), outcome.rows[0].reason
    assert (len(calls), pauses) == (2, [])


def test_what_was_accepted_but_is_not_shown_is_not_called_stored(made: Make) -> None:
    series, (retry, pauses) = made(1), patient()
    with scp({evt.EVT_C_STORE: lambda event: 0, evt.EVT_C_FIND: listing}) as there:
        outcome = send(there, [series.folder], retry=retry)
    assert "not confirmed" in outcome.rows[0].reason
    assert outcome.counts["failed"] == 1
    assert len(pauses) == 3


@pytest.mark.parametrize(("status", "words"), [(0xA700, "Out of resources"), (0xC001, "0xC001"), (0xFE00, "cancel")])
def test_every_find_status_but_success_is_an_error(status: int, words: str) -> None:
    with scp({evt.EVT_C_FIND: find_status(status)}) as there, pytest.raises(ArchiveError) as caught:
        there.find_studies(StudyQuery(patient_name="HIDDEN^NAME"))
    assert words.lower() in str(caught.value).lower()
    assert not isinstance(caught.value, TransientError)
    assert "HIDDEN" not in str(caught.value)


def test_echo_status_is_checked() -> None:
    with scp({evt.EVT_C_ECHO: lambda event: 0x0122}) as there, pytest.raises(ArchiveError, match="0x0122"):
        there.echo()


def test_a_wrong_title_is_rejected_with_its_reason() -> None:
    with scp({}, title="OTHER") as there, pytest.raises(ArchiveError, match="rejected") as caught:
        there.echo()
    assert "called ae title" in caught.value.got.lower()
    assert not isinstance(caught.value, TransientError)


def test_an_abort_and_a_time_out_are_transient(made: Make) -> None:
    def abort(event: Any) -> int:
        event.assoc.abort()
        return 0

    def slow(event: Any) -> int:
        time.sleep(1.0)
        return 0

    for handler in (abort, slow):
        with scp({evt.EVT_C_ECHO: handler}) as there, pytest.raises(TransientError, match="did not answer"):
            there.echo()
    series, (retry, pauses) = made(2), patient(2)
    with scp({evt.EVT_C_STORE: abort, evt.EVT_C_FIND: listing}) as there:
        outcome = send(there, [series.folder], retry=retry)
    assert outcome.counts["failed"] == 2
    assert len(pauses) == 1


def test_kinds_of_object_that_are_not_accepted_fail_alone(made: Make) -> None:
    series = made(2)
    other = made(1, syntax="jpeg2000")
    held: list[Any] = []

    def find(event: Any) -> Iterator[tuple[int, Any]]:
        for row in held:
            if row.SeriesInstanceUID == event.identifier.SeriesInstanceUID:
                yield 0xFF00, row

    def store(event: Any) -> int:
        row = pydicom.Dataset()
        for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
            setattr(row, keyword, event.dataset.get(keyword))
        held.append(row)
        return 0

    # Implicit only: the uncompressed ones are encoded anew, the compressed one cannot be.
    with scp({evt.EVT_C_STORE: store, evt.EVT_C_FIND: find}, [ImplicitVRLittleEndian]) as there:
        outcome = send(there, [series.folder, other.folder])
    assert outcome.counts["stored"] == 2
    assert "1.2.840.10008.1.2.4.90" in next(row.reason for row in outcome.rows if row.state == "failed")
    with scp({evt.EVT_C_FIND: listing}, [JPEG2000Lossless]) as there:
        assert send(there, [series.folder]).counts["failed"] == 2


def get_of(datasets: list[Any], count: int) -> Any:
    def handle(event: Any) -> Iterator[Any]:
        yield count
        for dataset in datasets:
            yield 0xFF00, dataset

    return handle


@pytest.mark.parametrize("lie", ["other series", "other study", "twice", "unsent"])
def test_a_retrieval_that_brings_something_else_fails(lie: str, made: Make, tmp_path: Path) -> None:
    series = made(1)
    data = pydicom.dcmread(series.files[0])
    sent = [data]
    if lie == "other series":
        data.SeriesInstanceUID = generate_uid()
    elif lie == "other study":
        data.StudyInstanceUID = generate_uid()
    elif lie == "twice":
        sent = [data, data]
    else:
        # Of a kind for which there is no presentation context: the archive reports a failed sub-operation.
        data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = MRImageStorage
    out = tmp_path / "out"
    out.mkdir()

    def find(event: Any) -> Iterator[tuple[int, Any]]:
        row = pydicom.Dataset()
        row.SOPInstanceUID, row.SOPClassUID = "1.2.3", CTImageStorage
        yield 0xFF00, row

    handlers = {evt.EVT_C_FIND: find, evt.EVT_C_GET: get_of(sent, len(sent))}
    with scp(handlers) as there, pytest.raises(ArchiveError, match="could not send all" if lie == "unsent" else "sent"):
        there.retrieve(series.study, series.uid, out, limits_of(there.settings))
    assert lie == "twice" or not list(out.glob("*.dcm"))


def test_a_series_that_comes_incomplete_leaves_nothing(made: Make, tmp_path: Path) -> None:
    series = made(2)
    data = [pydicom.dcmread(file) for file in series.files]

    def find(event: Any) -> Iterator[tuple[int, Any]]:
        for one in data:
            row = pydicom.Dataset()
            row.SOPInstanceUID, row.SOPClassUID = one.SOPInstanceUID, CTImageStorage
            yield 0xFF00, row

    with scp({evt.EVT_C_FIND: find, evt.EVT_C_GET: get_of(data[:1], 1)}) as there:
        with pytest.raises(ArchiveError, match="incomplete") as caught:
            fetch(there, series.study, series.uid, tmp_path / "out")
        assert caught.value.got == "1 instances"
    assert sorted(item.name for item in tmp_path.iterdir()) == [series.folder.name]
    with scp({evt.EVT_C_FIND: find, evt.EVT_C_GET: get_of(data, 2)}) as there:
        assert len(fetch(there, series.study, series.uid, tmp_path / "out").files) == 2


def test_no_thread_is_left_behind(orthanc: Orthanc) -> None:
    before = threading.active_count()
    there = DimseArchive(
        Dimse(name="x", kind="dimse", host="127.0.0.1", port=orthanc.dicom, called_ae="ORTHANC", read_s=5)
    )
    for _ in range(5):
        there.echo()
    with pytest.raises(ArchiveError, match="rejected"):
        DimseArchive(there.settings.model_copy(update={"called_ae": "WRONG"})).echo()
    deadline = time.monotonic() + 3
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert threading.active_count() <= before

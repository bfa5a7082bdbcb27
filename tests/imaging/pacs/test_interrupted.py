"""Lost connections, overloads and time-outs: what is repeated, what never is, and what the outcome says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.imaging.pacs.archives import KINDS, Series, archive, patient, stored_count
from tests.imaging.pacs.gateway import Gateway, gateway
from tests.servers.orthanc import Orthanc, running
from vertherm.core.errors import VerthermError
from vertherm.imaging.pacs.archive import StudyQuery
from vertherm.imaging.pacs.dicomweb import DicomwebArchive
from vertherm.imaging.pacs.errors import ArchiveError, TransientError
from vertherm.imaging.pacs.fetch import fetch
from vertherm.imaging.pacs.settings import Credentials, Dicomweb
from vertherm.imaging.pacs.transfer import send

Make = Callable[..., Series]
# pynetdicom 3.0.4 leaves the socket of a refused connection to the garbage collector.
ALLOW_UNCLOSED = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
TOKEN = "s3cret-token-of-the-test"


@pytest.fixture
def front(orthanc: Orthanc, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gateway]:
    """A gateway before the archive that demands a token."""
    monkeypatch.setenv("TEST_TOKEN", TOKEN)
    with gateway(orthanc.url, token=TOKEN) as made:
        yield made


def through(front: Gateway, **changes: Any) -> DicomwebArchive:
    given: dict[str, Any] = {"read_s": 2.0, "credentials": Credentials(token_variable="TEST_TOKEN"), **changes}
    return DicomwebArchive(Dicomweb(name="front", url=front.url, **given))


@ALLOW_UNCLOSED
@pytest.mark.parametrize("kind", KINDS)
def test_a_server_killed_in_the_middle_leaves_a_clear_outcome_and_the_repeat_finishes(kind: str, made: Make) -> None:
    series = made(9)
    with running() as server:
        # One batch is stored, then the server dies before the next.
        there = archive(server, kind, batch_instances=3)
        retry, _ = patient(2)
        outcome = send(there, [series.folder], retry=retry, progress=lambda step, done: server.kill())
        assert outcome.counts["failed"] == 9
        assert {row.reason for row in outcome.rows if row.state == "failed"}
        # Nobody can confirm the first three now, so nobody claims them.
        assert sum("not confirmed" in row.reason for row in outcome.rows) == 3
        server.start()
        assert stored_count(server) == 3
        again = send(there, [series.folder], retry=retry)
        assert again.counts["already there"] == 3
        assert again.counts["stored"] == 6
        assert stored_count(server) == 9
        there.close()


def test_503_twice_then_success(front: Gateway, made: Make) -> None:
    series, (retry, pauses) = made(3), patient()
    front.trouble, front.headers = [503, 503], {"Retry-After": "2"}
    with through(front) as there:
        assert send(there, [series.folder], retry=retry).counts["stored"] == 3
    assert front.count("POST") == 3
    assert pauses == [2.0, 2.0]


def test_pauses_grow_to_a_limit_and_the_number_of_tries_is_limited(front: Gateway, made: Make) -> None:
    series, (retry, pauses) = made(2), patient(6)
    front.trouble = [503] * 50
    with through(front) as there:
        outcome = send(there, [series.folder], retry=retry)
    assert outcome.counts["failed"] == 2
    assert "HTTP status 503" in outcome.rows[0].reason
    assert front.count("POST") == 6
    assert pauses == [0.5, 1.0, 2.0, 3.0, 3.0]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 500])
def test_other_statuses_are_never_repeated(status: int, front: Gateway, made: Make) -> None:
    series, (retry, pauses) = made(2), patient()
    front.trouble = [status] * 9
    with through(front) as there:
        outcome = send(there, [series.folder], retry=retry)
    assert outcome.counts["failed"] == 2
    assert front.count("POST") == 1
    assert pauses == []
    assert f"HTTP status {status}" in outcome.rows[0].reason


def test_a_failed_batch_stops_the_following_ones(front: Gateway, made: Make) -> None:
    series = made(4)
    front.trouble = [413] * 9
    with through(front, batch_instances=1) as there:
        assert send(there, [series.folder]).counts["failed"] == 4
    assert front.count("POST") == 1


@pytest.mark.parametrize("trouble", ["drop", "lose", 2.5])
def test_after_a_lost_answer_only_what_is_missing_is_sent_again(trouble: Any, front: Gateway, made: Make) -> None:
    series, (retry, pauses) = made(3), patient()
    front.trouble = [trouble]
    with through(front) as there:
        outcome = send(there, [series.folder], retry=retry)
        # What was forwarded is there, whatever became of the answer.
        if trouble == "lose":
            assert front.count("POST") == 1
        again = send(there, [series.folder], retry=retry)
    assert outcome.counts["stored"] == 3
    assert again.counts["already there"] == 3
    assert len(pauses) == 1


def test_queries_and_retrievals_are_repeated_too(front: Gateway, orthanc: Orthanc, made: Make, tmp_path: Path) -> None:
    series, (retry, pauses) = made(2), patient()
    with archive(orthanc, "dicomweb") as direct:
        send(direct, [series.folder])
    # The second page of the listing, then the retrieval itself.
    front.method, front.trouble = "GET", ["drop", 503, 504, 429]
    with through(front) as there:
        many, more = patient(6)
        assert len(fetch(there, series.study, series.uid, tmp_path / "back", retry=many).files) == 2
    assert len(more) == 4
    front.trouble = [503] * 20
    with through(front) as there, pytest.raises(TransientError):
        fetch(there, series.study, series.uid, tmp_path / "none", retry=retry)
    assert not (tmp_path / "none").exists()
    assert len(pauses) == 3


def test_a_slow_archive_times_out(front: Gateway) -> None:
    front.method, front.trouble = "GET", [1.0]
    with through(front, read_s=0.3) as there, pytest.raises(TransientError, match="in time"):
        there.echo()


def test_a_wrong_or_missing_token_is_said_and_never_shown(
    front: Gateway, made: Make, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    series = made(1)
    with through(front) as there:
        there.find_studies(StudyQuery(patient_name="HIDDEN^NAME"))
    monkeypatch.setenv("TEST_TOKEN", "wr0ng-token")
    with through(front) as there:
        for call in (
            there.echo,
            lambda: there.find_studies(StudyQuery(patient_name="HIDDEN^NAME")),
            lambda: send(there, [series.folder]),
        ):
            with pytest.raises(ArchiveError, match="HTTP status 401") as caught:
                call()
            assert not isinstance(caught.value, TransientError)
            shown = str(caught.value) + repr(there.settings)
            assert not any(secret in shown for secret in ("wr0ng", TOKEN, "HIDDEN"))
    monkeypatch.delenv("TEST_TOKEN")
    with pytest.raises(VerthermError, match="TEST_TOKEN"):
        through(front)
    assert capfd.readouterr() == ("", "")


@ALLOW_UNCLOSED
def test_no_archive_at_all(caplog: pytest.LogCaptureFixture) -> None:
    for kind in KINDS:
        nowhere = Orthanc(Path(), http=9, dicom=9)
        with archive(nowhere, kind) as there, pytest.raises(TransientError, match="connection"):
            there.echo()
        with archive(nowhere, kind) as there, pytest.raises(TransientError):
            there.find_studies(StudyQuery(patient_name="HIDDEN^NAME"))
    assert "HIDDEN" not in caplog.text
    assert "retrying" not in caplog.text


def test_environment_proxies_are_not_used(orthanc: Orthanc, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with archive(orthanc, "dicomweb") as there:
        assert "answered" in there.echo()


def test_a_redirection_is_not_followed(front: Gateway, orthanc: Orthanc) -> None:
    front.method, front.trouble, front.headers = "GET", [302], {"Location": orthanc.url + "/studies"}
    with through(front) as there, pytest.raises(ArchiveError, match="redirect"):
        there.echo()
    assert len(front.seen) == 1

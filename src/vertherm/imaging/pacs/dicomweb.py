"""An archive over DICOMweb (PS3.18): QIDO-RS by dicomweb-client, WADO-RS and STOW-RS streamed as files are.

Retrieval asks for each instance as it is kept (``transfer-syntax=*``): compressed stays compressed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vertherm.imaging.pacs.answers import row_of, series_of, study_of
from vertherm.imaging.pacs.archive import InstanceRow, Limits, SeriesRow, Stored, StudyQuery, StudyRow
from vertherm.imaging.pacs.errors import ArchiveError
from vertherm.imaging.pacs.instance import Instance
from vertherm.imaging.pacs.receive import Receiver
from vertherm.imaging.pacs.settings import Dicomweb
from vertherm.imaging.pacs.uids import need_uid

if TYPE_CHECKING:
    import requests

_PAGE = 1000
# 64 characters each: the address stays below what servers and gateways accept.
_UIDS_A_QUERY = 40
# How archives say that they do not search all studies, or not for a list.
_NOT_SUPPORTED = frozenset((400, 404, 405, 406, 414, 422, 500, 501))
_ANY_SYNTAX = 'multipart/related; type="application/dicom"; transfer-syntax=*'
_STUDY_FIELDS = ("StudyDescription", "AccessionNumber", "ModalitiesInStudy", "StudyDate")
_SERIES_FIELDS = ("SeriesDescription", "NumberOfSeriesRelatedInstances", "SeriesNumber", "Modality")


class DicomwebArchive:
    """See `archive.Archive`. Use as a context manager, or call `close`.

    Raises:
        InputError: a secret that is not there.
        ArchiveError: certificates that cannot be read.
    """

    def __init__(self, settings: Dicomweb) -> None:
        from dicomweb_client.web import DICOMwebClient

        from vertherm.imaging.pacs.web_session import session_of

        self.settings = settings
        self._session = session_of(settings)
        self._timeout = (settings.connect_s, settings.read_s)
        self._client = DICOMwebClient(settings.url, session=self._session, timeout=self._timeout)
        # Repeats are decided in one place, `retry`, which knows what is safe to repeat.
        self._client.set_http_retry_params(retry=False)

    def __enter__(self) -> DicomwebArchive:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections."""
        self._session.close()

    def echo(self) -> str:
        """DICOMweb has no echo: one study is searched for."""
        begin = time.monotonic()
        self._searched("echo", lambda: self._client.search_for_studies(limit=1))
        return f"DICOMweb at {self.settings.url} answered in {(time.monotonic() - begin) * 1000:.0f} ms"

    def find_studies(self, query: StudyQuery) -> tuple[StudyRow, ...]:
        """Studies that match, page by page; a name that finds none is asked for once more, see `name_match`."""
        from vertherm.imaging.pacs.name_match import matches, widened

        rows, name = self._studies(query), query.patient_name
        wider = replace(query, patient_name=widened(name))
        # A question for everybody is nobody's question.
        narrow = any(letter.isalnum() for letter in wider.patient_name) or len(query.elements()) > 1
        if rows or wider == query or not narrow:
            return rows
        return tuple(row for row in self._studies(wider) if matches(name, row.patient_name))

    def _studies(self, query: StudyQuery) -> tuple[StudyRow, ...]:
        def page(offset: int) -> list[dict[str, Any]]:
            return self._client.search_for_studies(
                limit=_PAGE, offset=offset, fields=_STUDY_FIELDS, search_filters=query.elements()
            )

        return tuple(study_of(item) for item in self._paged("search for studies", page, "StudyInstanceUID"))

    def find_series(self, study_uid: str) -> tuple[SeriesRow, ...]:
        """Series of a study."""
        need_uid(study_uid, "StudyInstanceUID")

        def page(offset: int) -> list[dict[str, Any]]:
            return self._client.search_for_series(study_uid, limit=_PAGE, offset=offset, fields=_SERIES_FIELDS)

        return tuple(series_of(item, study_uid) for item in self._paged("search for series", page, "SeriesInstanceUID"))

    def find_instances(self, study_uid: str, series_uid: str) -> tuple[InstanceRow, ...]:
        """Instances of a series."""
        need_uid(study_uid, "StudyInstanceUID")
        need_uid(series_uid, "SeriesInstanceUID")

        def page(offset: int) -> list[dict[str, Any]]:
            return self._client.search_for_instances(study_uid, series_uid, limit=_PAGE, offset=offset)

        found = self._paged("search for instances", page, "SOPInstanceUID")
        return tuple(row_of(item, study_uid, series_uid) for item in found)

    def held(self, instances: Sequence[Instance]) -> dict[str, InstanceRow]:
        """Which of them it holds: asked by SOPInstanceUID in all studies, then series by series.

        The first question finds an instance that lies under another study too; archives that do not answer it
        (it is optional in PS3.18) are asked the second one only.
        """
        asked = {instance.sop_uid for instance in instances}
        found = self._anywhere(sorted(asked))
        left = {(one.study_uid, one.series_uid) for one in instances if one.sop_uid not in found}
        for study_uid, series_uid in sorted(left):
            rows = self._of_series(study_uid, series_uid)
            found.update((row.sop_uid, row) for row in rows if row.sop_uid in asked)
        return found

    def _of_series(self, study_uid: str, series_uid: str) -> tuple[InstanceRow, ...]:
        """Instances of a series; some archives answer 404 for one that they do not hold."""
        try:
            return self.find_instances(study_uid, series_uid)
        except ArchiveError as error:
            if error.status != 404:
                raise
            return ()

    def retrieve(
        self, study_uid: str, series_uid: str, folder: Path, limits: Limits, wanted: Sequence[InstanceRow] = ()
    ) -> tuple[Path, ...]:
        """A series or some of its instances, streamed into ``folder``."""
        from vertherm.imaging.pacs.multipart import boundary_of, parts
        from vertherm.imaging.pacs.web_session import answering

        study, series = need_uid(study_uid, "StudyInstanceUID"), need_uid(series_uid, "SeriesInstanceUID")
        receiver = Receiver(folder, study_uid, series_uid, limits, wanted)
        for path in [f"/instances/{need_uid(row.sop_uid, 'SOPInstanceUID')}" for row in wanted] or [""]:
            url = f"{self.settings.url}/studies/{study}/series/{series}{path}"
            with answering(self.settings, "retrieve"), self._got(url) as response:
                chunks = _watched(response.iter_content(1 << 18), receiver)
                boundary = boundary_of(response.headers.get("Content-Type", ""))
                for stream in parts(chunks, boundary, receiver.opened, limits.instance_bytes):
                    receiver.keep(stream)
        return receiver.files

    def store(self, instances: Sequence[Instance], stored: Stored) -> None:
        """All of them in one request, as their files are."""
        from vertherm.imaging.pacs.multipart import Message
        from vertherm.imaging.pacs.web_session import answering, status_error

        message = Message(instance.path for instance in instances)
        headers = {"Content-Type": message.content_type, "Accept": "application/dicom+json"}
        with answering(self.settings, "store"):
            url = f"{self.settings.url}/studies"
            with self._session.post(url, data=message, headers=headers, timeout=self._timeout) as response:
                failed = failures(response)
                if response.status_code not in (200, 202) and not (response.status_code == 409 and failed):
                    raise status_error(response, "store")
        for instance in instances:
            stored(instance.sop_uid, failed.get(instance.sop_uid, ""))

    def _anywhere(self, uids: list[str]) -> dict[str, InstanceRow]:
        found: dict[str, InstanceRow] = {}
        for start in range(0, len(uids), _UIDS_A_QUERY):
            some = uids[start : start + _UIDS_A_QUERY]
            ask = {"SOPInstanceUID": ",".join(some)}
            try:
                rows = self._searched(
                    "search for instances",
                    partial(self._client.search_for_instances, search_filters=ask, limit=_PAGE),
                )
                rows = [row_of(item) for item in rows]
            except ArchiveError as error:
                if error.status not in _NOT_SUPPORTED:
                    raise
                return found
            # An archive that ignores the filter answers with others.
            found.update((row.sop_uid, row) for row in rows if row.sop_uid in some)
        return found

    def _got(self, url: str) -> requests.Response:
        from vertherm.imaging.pacs.web_session import checked

        headers = {"Accept": _ANY_SYNTAX}
        return checked(self._session.get(url, headers=headers, stream=True, timeout=self._timeout), "retrieve")

    def _paged(self, what: str, page: Callable[[int], list[dict[str, Any]]], key: str) -> list[Any]:
        """All pages; ends where a page brings nothing new, for archives that ignore the offset."""
        found: dict[str, Any] = {}
        while True:
            rows = self._searched(what, lambda: page(len(found)))
            new = {str(row.get(key, "")): row for row in rows if str(row.get(key, "")) not in found}
            found.update(new)
            if len(found) > self.settings.max_instances:
                raise ArchiveError(
                    "The archive answers with more rows than allowed.", where=what,
                    expected=f"at most {self.settings.max_instances}", advice="ask for less",
                )  # fmt: skip
            if not new:
                return list(found.values())

    def _searched(self, what: str, search: Callable[[], list[dict[str, Any]]]) -> list[Any]:
        from pydicom.dataset import Dataset

        from vertherm.imaging.dicom.safe import reading
        from vertherm.imaging.pacs.web_session import answering

        with answering(self.settings, what):
            items = search()
        try:
            with reading("the archive's answer"):
                return [Dataset.from_json(item) for item in items]
        except Exception as error:
            raise ArchiveError("The archive's answer cannot be understood.", where=what, got=error) from None


def failures(response: requests.Response) -> dict[str, str]:
    """Reason by SOPInstanceUID of what STOW-RS did not store, or stored with changes (PS3.18 10.5.3)."""
    from pydicom.dataset import Dataset

    from vertherm.imaging.pacs import statuses
    from vertherm.imaging.pacs.uids import text_of

    if "json" not in response.headers.get("Content-Type", "") or response.status_code not in (200, 202, 409):
        return {}
    document = response.json()
    answer: Any = Dataset.from_json(document[0] if isinstance(document, list) else document)
    reasons = {}
    for item in answer.get("FailedSOPSequence") or ():
        reasons[text_of(item, "ReferencedSOPInstanceUID")] = statuses.storage(int(item.get("FailureReason") or 0x0110))
    for item in answer.get("ReferencedSOPSequence") or ():
        if item.get("WarningReason"):
            reason = statuses.storage(int(item.WarningReason))
            reasons[text_of(item, "ReferencedSOPInstanceUID")] = f"stored, but not as sent: {reason}"
    return reasons


def _watched(chunks: Iterator[bytes], receiver: Receiver) -> Iterator[bytes]:
    """The chunks, as long as the time allowed lasts: a server may else drip for ever."""
    for chunk in chunks:
        receiver.within_limits()
        yield chunk

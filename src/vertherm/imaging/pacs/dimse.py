"""An archive over the classic protocol (PS3.7, PS3.4): C-ECHO, C-FIND, C-GET and C-STORE by pynetdicom."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from vertherm.imaging.pacs import statuses
from vertherm.imaging.pacs.answers import row_of, series_of, study_of
from vertherm.imaging.pacs.archive import InstanceRow, Limits, SeriesRow, Stored, StudyQuery, StudyRow
from vertherm.imaging.pacs.association import MOST_CONTEXTS, associated, lost, where
from vertherm.imaging.pacs.errors import ArchiveError
from vertherm.imaging.pacs.instance import Instance
from vertherm.imaging.pacs.receive import Receiver
from vertherm.imaging.pacs.settings import Dimse
from vertherm.imaging.pacs.uids import need_uid

VERIFICATION = "1.2.840.10008.1.1"
STUDY_ROOT_FIND, STUDY_ROOT_GET = "1.2.840.10008.5.1.4.1.2.2.1", "1.2.840.10008.5.1.4.1.2.2.3"
IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
_PLAIN = (IMPLICIT, EXPLICIT, "1.2.840.10008.1.2.2")
_SUCCESS, _PENDING, _CANNOT_STORE = 0x0000, (0xFF00, 0xFF01), 0xC000
# In the order of how often they are met; each goes into a context of its own, so that the archive need not transcode.
_SYNTAXES = (
    EXPLICIT, IMPLICIT, "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91", "1.2.840.10008.1.2.4.70",
    "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81", "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.50",
    "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.1.99",
)  # fmt: skip
# Asked for where the archive does not say what a series holds: CT, MR (plain, enhanced), SEG, RTSTRUCT, PET, SR.
_USUAL = (
    "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.2.1",
    "1.2.840.10008.5.1.4.1.1.4.1", "1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.481.3",
    "1.2.840.10008.5.1.4.1.1.128", "1.2.840.10008.5.1.4.1.1.88.34", "1.2.840.10008.5.1.4.1.1.30",
    "1.2.840.10008.5.1.4.1.1.7",
)  # fmt: skip
_STUDY_KEYS = ("PatientName", "PatientID", "StudyDate", "StudyDescription", "AccessionNumber", "ModalitiesInStudy")
_SERIES_KEYS = ("Modality", "SeriesNumber", "SeriesDescription", "NumberOfSeriesRelatedInstances")


class DimseArchive:
    """See `archive.Archive`. One association a call; `close` has nothing to do."""

    def __init__(self, settings: Dimse) -> None:
        self.settings = settings

    def __enter__(self) -> DimseArchive:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Nothing stays open between calls."""

    def echo(self) -> str:
        """C-ECHO."""
        begin = time.monotonic()
        with associated(self.settings, [(VERIFICATION, (IMPLICIT, EXPLICIT))]) as association:
            answer = association.send_c_echo()
            self._need_success(answer, "C-ECHO", statuses.general)
        return f"{where(self.settings)} answered in {(time.monotonic() - begin) * 1000:.0f} ms"

    def find_studies(self, query: StudyQuery) -> tuple[StudyRow, ...]:
        """Studies that match."""
        keys = dict.fromkeys(("StudyInstanceUID", *_STUDY_KEYS), "") | query.elements()
        return tuple(study_of(item) for item in self._find("STUDY", keys))

    def find_series(self, study_uid: str) -> tuple[SeriesRow, ...]:
        """Series of a study."""
        need_uid(study_uid, "StudyInstanceUID")
        keys = {**dict.fromkeys(("SeriesInstanceUID", *_SERIES_KEYS), ""), "StudyInstanceUID": study_uid}
        return tuple(series_of(item, study_uid) for item in self._find("SERIES", keys))

    def find_instances(self, study_uid: str, series_uid: str) -> tuple[InstanceRow, ...]:
        """Instances of a series."""
        need_uid(study_uid, "StudyInstanceUID")
        need_uid(series_uid, "SeriesInstanceUID")
        keys = {"StudyInstanceUID": study_uid, "SeriesInstanceUID": series_uid, "SOPInstanceUID": "", "SOPClassUID": ""}
        return tuple(row_of(item, study_uid, series_uid) for item in self._find("IMAGE", keys))

    def held(self, instances: Sequence[Instance]) -> dict[str, InstanceRow]:
        """Which of them it holds, asked series by series: C-FIND need not answer across studies (PS3.4 C.4.1)."""
        asked = {instance.sop_uid for instance in instances}
        found: dict[str, InstanceRow] = {}
        for study_uid, series_uid in sorted({(one.study_uid, one.series_uid) for one in instances}):
            rows = self.find_instances(study_uid, series_uid)
            found.update((row.sop_uid, row) for row in rows if row.sop_uid in asked)
        return found

    def retrieve(
        self, study_uid: str, series_uid: str, folder: Path, limits: Limits, wanted: Sequence[InstanceRow] = ()
    ) -> tuple[Path, ...]:
        """A series or some of its instances by C-GET, written as they come."""
        need_uid(study_uid, "StudyInstanceUID")
        need_uid(series_uid, "SeriesInstanceUID")
        listed = wanted or self.find_instances(study_uid, series_uid)
        classes = tuple(dict.fromkeys(row.sop_class for row in listed if row.sop_class)) or _USUAL
        each = max((MOST_CONTEXTS - 1) // len(classes), 1)
        pairs = [(sop_class, (syntax,)) for sop_class in classes for syntax in _SYNTAXES[:each]][: MOST_CONTEXTS - 1]
        incoming = _Incoming(Receiver(folder, study_uid, series_uid, limits, wanted), limits)
        keys = {"StudyInstanceUID": study_uid, "SeriesInstanceUID": series_uid}
        if wanted:
            keys["SOPInstanceUID"] = "\\".join(row.sop_uid for row in wanted)
        contexts = [(STUDY_ROOT_GET, (IMPLICIT, EXPLICIT)), *pairs]
        sending = sorted({sop_class for sop_class, _ in pairs})
        with associated(self.settings, contexts, receiving=sending, store_handler=incoming.store) as association:
            identifier = _identifier("IMAGE" if wanted else "SERIES", keys)
            self._get(association, identifier, incoming)
        return incoming.receiver.files

    def store(self, instances: Sequence[Instance], stored: Stored) -> None:
        """C-STORE one by one, as their files are where the archive accepts their transfer syntax."""
        waiting = list(instances)
        while waiting:
            pairs: dict[tuple[str, str], None] = {}
            now: list[Instance] = []
            for instance in waiting:
                more = {(instance.sop_class, syntax) for syntax in _offered(instance.syntax)}
                if len(pairs.keys() | more) > MOST_CONTEXTS:
                    break
                pairs.update(dict.fromkeys(sorted(more)))
                now.append(instance)
            waiting = waiting[len(now) :]
            with associated(self.settings, [(name, (syntax,)) for name, syntax in pairs]) as association:
                for instance in now:
                    stored(instance.sop_uid, self._stored(association, instance))

    def _stored(self, association: Any, instance: Instance) -> str:
        """Why the archive did not store it; empty where it did."""
        accepted = {
            (str(context.abstract_syntax), str(context.transfer_syntax[0])) for context in association.accepted_contexts
        }
        as_it_is = (instance.sop_class, instance.syntax) in accepted
        if not as_it_is and (instance.syntax not in _PLAIN or (instance.sop_class, IMPLICIT) not in accepted):
            return f"the archive does not take SOP class {instance.sop_class} in transfer syntax {instance.syntax}"
        try:
            answer = _sent(association, instance, as_it_is)
        except (ValueError, AttributeError, OSError) as error:
            return f"cannot be sent: {type(error).__name__}"
        except RuntimeError:
            raise lost(self.settings, "C-STORE") from None
        if "Status" not in answer:
            raise lost(self.settings, "C-STORE")
        return "" if answer.Status == _SUCCESS else statuses.storage(answer.Status)

    def _get(self, association: Any, identifier: Any, incoming: _Incoming) -> None:
        from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelGet as Get

        for answer, _ in self._answers(lambda: association.send_c_get(identifier, Get), "C-GET"):
            incoming.check()
            if answer.Status in _PENDING:
                continue
            failed = answer.get("NumberOfFailedSuboperations") or 0
            if failed:
                raise ArchiveError(
                    "The archive could not send all instances.", where=where(self.settings),
                    got=f"{failed} failed; {statuses.retrieval(answer.Status)}",
                    advice="the archive may hold them in a transfer syntax that is not supported",
                )  # fmt: skip
            self._need_success(answer, "C-GET", statuses.retrieval)

    def _find(self, level: str, keys: dict[str, str]) -> list[Any]:
        from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind as Find

        found: list[Any] = []
        with associated(self.settings, [(STUDY_ROOT_FIND, (EXPLICIT, IMPLICIT))]) as association:
            answers = self._answers(lambda: association.send_c_find(_identifier(level, keys), Find), "C-FIND")
            for answer, item in answers:
                if answer.Status not in _PENDING:
                    self._need_success(answer, "C-FIND", statuses.query)
                elif item is None:
                    raise ArchiveError("The archive's answer cannot be understood.", where=where(self.settings))
                else:
                    found.append(item)
                if len(found) > self.settings.max_instances:
                    raise ArchiveError(
                        "The archive answers with more rows than allowed.", where=where(self.settings),
                        expected=f"at most {self.settings.max_instances}", advice="ask for less",
                    )  # fmt: skip
        return found

    def _answers(self, call: Callable[[], Iterator[tuple[Any, Any]]], what: str) -> Iterator[tuple[Any, Any]]:
        """Status and identifier of each response, the final one included."""
        try:
            for answer, item in call():
                if "Status" not in answer:
                    raise lost(self.settings, what)
                yield answer, item
        except RuntimeError:
            raise lost(self.settings, what) from None

    def _need_success(self, answer: Any, what: str, meaning: Callable[[int], str]) -> None:
        if "Status" not in answer:
            raise lost(self.settings, what)
        if answer.Status != _SUCCESS:
            raise ArchiveError(
                f"The archive answered the {what} with an error.", where=where(self.settings),
                got=meaning(answer.Status), expected=meaning(_SUCCESS),
            )  # fmt: skip


class _Incoming:
    """Takes what C-GET brings; the first failure is kept, because the handler runs in another thread."""

    def __init__(self, receiver: Receiver, limits: Limits) -> None:
        self.receiver, self._limits = receiver, limits
        self._failure: Exception | None = None

    def store(self, event: Any) -> int:
        """Write one instance as it was encoded; a status that is not success tells the archive of a failure."""
        if self._failure is not None:
            return _CANNOT_STORE
        try:
            encoded = event.encoded_dataset()
            if len(encoded) > self._limits.instance_bytes:
                raise ArchiveError(
                    "An instance is larger than allowed.", got=f"{len(encoded)} bytes",
                    expected=f"at most {self._limits.instance_bytes}", advice="raise max_instance_mb of this archive",
                )  # fmt: skip
            with self.receiver.opened() as stream:
                stream.write(encoded)
            self.receiver.keep(stream)
        except Exception as error:  # whatever it is: raised again by `check`
            self._failure = error
            return _CANNOT_STORE
        return _SUCCESS

    def check(self) -> None:
        """Raise what a handler met."""
        if self._failure is not None:
            raise self._failure
        self.receiver.within_limits()


def _offered(syntax: str) -> tuple[str, ...]:
    """Its own transfer syntax; uncompressed, also the one that every archive must take (PS3.5 10.1)."""
    return (syntax, IMPLICIT) if syntax in _PLAIN and syntax != IMPLICIT else (syntax,)


def _sent(association: Any, instance: Instance, as_it_is: bool) -> Any:
    from pynetdicom import _config

    if not as_it_is:
        from vertherm.imaging.dicom.safe import read_dataset

        return association.send_c_store(read_dataset(instance.path))
    before = _config.STORE_SEND_CHUNKED_DATASET
    # The file's bytes go out unread: nothing is encoded anew, and the memory needed stays small.
    _config.STORE_SEND_CHUNKED_DATASET = True
    try:
        return association.send_c_store(instance.path)
    finally:
        _config.STORE_SEND_CHUNKED_DATASET = before


def _identifier(level: str, keys: dict[str, str]) -> Any:
    from pydicom.dataset import Dataset

    identifier = Dataset()
    identifier.SpecificCharacterSet = "ISO_IR 192"
    identifier.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        setattr(identifier, keyword, value)
    return identifier

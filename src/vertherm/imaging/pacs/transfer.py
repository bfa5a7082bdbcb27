"""Store instances in an archive so that nothing is stored twice and nothing is replaced.

The archive is asked which instances it holds. One that is there is brought back and compared (see `content`): the same
is left alone, another is refused. After a lost connection the archive is asked again before anything is repeated, and
at the end once more, so that "stored" is the archive's word and not the sender's.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vertherm.core.errors import InputError
from vertherm.core.progress import Progress, silent
from vertherm.imaging.pacs.archive import Archive, InstanceRow, limits_of
from vertherm.imaging.pacs.connect import retry_of
from vertherm.imaging.pacs.content import differences
from vertherm.imaging.pacs.errors import ArchiveError, TransientError
from vertherm.imaging.pacs.instance import Instance, files_of, read_instance
from vertherm.imaging.pacs.outcome import Outcome, Row, State
from vertherm.imaging.pacs.retry import Retry

_NAMES_IN_REASON = 8


@dataclass
class _Sending:
    """One sending: what is known of each instance so far."""

    archive: Archive
    retry: Retry
    progress: Progress
    verdicts: dict[str, tuple[State, str]] = field(default_factory=dict)

    def say(self, uid: str, state: State, reason: str = "") -> None:
        self.verdicts[uid] = (state, reason)

    def undecided(self, instances: Sequence[Instance]) -> list[Instance]:
        return [instance for instance in instances if instance.sop_uid not in self.verdicts]


def send(
    archive: Archive,
    paths: Sequence[Path],
    *,
    dry_run: bool = False,
    retry: Retry | None = None,
    progress: Progress = silent,
) -> Outcome:
    """Store DICOM files, or all DICOM files of folders.

    Args:
        archive: where to.
        paths: files and folders.
        dry_run: ask and compare, but store nothing.
        retry: repeats; left out: as the archive's settings say.
        progress: told after each batch.

    Returns:
        One row a file. Call again to finish after an interruption: what is there is left alone.

    Raises:
        InputError: a path without any DICOM file.
        ArchiveError: the archive cannot be asked what it holds; nothing was sent.
    """
    rows, instances = _identified(files_of(paths), archive)
    sending = _Sending(archive, retry or retry_of(archive.settings), progress)
    _compare(sending, instances)
    left = sending.undecided(instances)
    if dry_run:
        for instance in left:
            sending.say(instance.sop_uid, "would be stored")
    else:
        _store_all(sending, left)
    for instance in instances:
        state, reason = sending.verdicts[instance.sop_uid]
        rows[instance.path] = Row(instance.path, instance.sop_uid, state, reason)
    _share_fate(rows, instances)
    return Outcome(archive.settings.name, tuple(rows.values()))


def _share_fate(rows: dict[Path, Row], instances: Sequence[Instance]) -> None:
    """The second of two equal files is where the first is: there, or not."""
    first = {instance.sop_uid: rows[instance.path] for instance in instances}
    for path, row in rows.items():
        twin = first.get(row.sop_uid)
        if row.state == "already there" and twin is not None and twin.path != path and twin.state != "stored":
            rows[path] = Row(path, row.sop_uid, twin.state, row.reason)


def _identified(files: Sequence[Path], archive: Archive) -> tuple[dict[Path, Row], list[Instance]]:
    """Rows in the files' order, and the instances to deal with; what cannot be sent is decided here."""
    rows = {path: Row(path, "", "failed") for path in files}
    kept: dict[str, Instance] = {}
    conflicting: set[str] = set()
    for path in files:
        try:
            instance = read_instance(path)
        except (InputError, OSError) as error:
            said = f"{error.what} {error.got}".strip() if isinstance(error, InputError) else type(error).__name__
            rows[path] = Row(path, "", "failed", said)
            continue
        uid = instance.sop_uid
        rows[path] = Row(path, uid, "failed")
        if instance.size > archive.settings.max_instance_mb << 20:
            rows[path] = Row(path, uid, "failed", "larger than max_instance_mb of this archive")
        elif uid not in kept:
            kept[uid] = instance
        elif _differ(kept[uid], path):
            conflicting.add(uid)
            rows[path] = Row(path, uid, "refused", f"{kept[uid].path.name} has this UID with other content")
        else:
            rows[path] = Row(path, uid, "already there", f"the same as {kept[uid].path.name}")
    for uid in conflicting:
        first = kept.pop(uid)
        rows[first.path] = Row(first.path, uid, "refused", "another of the files has this UID with other content")
    return rows, list(kept.values())


def _differ(first: Instance, path: Path) -> str:
    """Which elements differ, or why that cannot be told; empty where none does."""
    try:
        names = differences(first.path, path)
    except InputError as error:
        return f"it cannot be compared: {error.what}"
    more = f" and {len(names) - _NAMES_IN_REASON} more" if len(names) > _NAMES_IN_REASON else ""
    return ", ".join(names[:_NAMES_IN_REASON]) + more


def _compare(sending: _Sending, instances: Sequence[Instance]) -> None:
    """Decide all instances that the archive holds already."""
    archive = sending.archive
    held = sending.retry(lambda: archive.held(instances)) if instances else {}
    by_series: dict[tuple[str, str], list[Instance]] = {}
    for instance in instances:
        row = held.get(instance.sop_uid)
        if row is None:
            continue
        if (row.study_uid, row.series_uid) != (instance.study_uid, instance.series_uid):
            sending.say(instance.sop_uid, "refused", "the archive holds this UID in another study or series")
        else:
            by_series.setdefault((row.study_uid, row.series_uid), []).append(instance)
    done = 0
    for some in by_series.values():
        for batch, wanted in _to_compare(sending, some, held):
            _compare_batch(sending, batch, wanted)
            done += len(batch)
            sending.progress("compare with the archive", done / max(len(held), 1))


def _to_compare(
    sending: _Sending, instances: Sequence[Instance], held: dict[str, InstanceRow]
) -> Iterator[tuple[Sequence[Instance], Sequence[InstanceRow]]]:
    """Instances of one series, and what to ask the archive for: the whole series (empty) where most of it is wanted."""
    archive, first = sending.archive, instances[0]
    listed = sending.retry(lambda: archive.find_instances(first.study_uid, first.series_uid))
    if 2 * len(instances) >= len(listed):
        yield instances, ()
        return
    for batch in batches(instances, archive.settings.batch_instances, archive.settings.batch_mb << 20):
        yield batch, [held[instance.sop_uid] for instance in batch]


def _compare_batch(sending: _Sending, batch: Sequence[Instance], wanted: Sequence[InstanceRow]) -> None:
    archive, first = sending.archive, batch[0]

    def brought() -> dict[str, str]:
        with tempfile.TemporaryDirectory(prefix="vertherm-archive-") as folder:
            got = archive.retrieve(first.study_uid, first.series_uid, Path(folder), limits_of(archive.settings), wanted)
            theirs = {path.stem: path for path in got}
            return {
                instance.sop_uid: _differ(instance, theirs[instance.sop_uid])
                for instance in batch
                if instance.sop_uid in theirs
            }

    try:
        differing = sending.retry(brought)
    except ArchiveError as error:
        for instance in batch:
            sending.say(instance.sop_uid, "failed", f"held by the archive, but not comparable: {_line(error)}")
        return
    for instance in batch:
        if instance.sop_uid not in differing:
            sending.say(instance.sop_uid, "failed", "held by the archive, which did not give it back to compare")
        elif found := differing[instance.sop_uid]:
            sending.say(instance.sop_uid, "refused", f"the archive holds other content under this UID: {found}")
        else:
            sending.say(instance.sop_uid, "already there")


def _store_all(sending: _Sending, instances: Sequence[Instance]) -> None:
    settings = sending.archive.settings
    done, sent = 0, list[Instance]()
    for batch in batches(instances, settings.batch_instances, settings.batch_mb << 20):
        try:
            _store_batch(sending, batch)
        except ArchiveError as error:
            # What cannot be repaired by repeating would only happen again with the batches that follow.
            for instance in sending.undecided(instances[done:]):
                sending.say(instance.sop_uid, "failed", _line(error))
            sent += batch
            break
        sent += batch
        done += len(batch)
        sending.progress("store", done / len(instances))
    _confirm(sending, sent)


def _store_batch(sending: _Sending, batch: Sequence[Instance]) -> None:
    """Store a batch; after a lost connection, only what the archive does not hold is sent again."""

    def stored(uid: str, reason: str) -> None:
        sending.say(uid, "failed" if reason else "stored", reason)

    for tried in range(1, sending.retry.attempts + 1):
        left = sending.undecided(batch)
        if not left:
            return
        try:
            if tried > 1:
                for uid in sending.archive.held(left):
                    sending.say(uid, "stored")
                left = sending.undecided(left)
            if left:
                sending.archive.store(left, stored)
        except TransientError as error:
            if tried == sending.retry.attempts:
                raise
            sending.retry.pause(tried, error)


def _confirm(sending: _Sending, instances: Sequence[Instance]) -> None:
    """Ask the archive once more; some take a moment to show what they accepted."""
    claimed = [one for one in instances if sending.verdicts[one.sop_uid][0] == "stored"]
    # A failure may have come after the archive had stored it.
    doubtful = [one for one in instances if sending.verdicts[one.sop_uid][0] == "failed"]

    shown: set[str] = set()

    def ask() -> None:
        shown.update(sending.archive.held([*claimed, *doubtful]))
        if any(one.sop_uid not in shown for one in claimed):
            raise _NotShownError("The archive does not show all that it accepted.")

    if not claimed:
        return
    reason = "the archive does not show it"
    try:
        sending.retry(ask)
    except _NotShownError:
        pass
    except ArchiveError as error:
        reason = f"the archive could not be asked: {_line(error)}"
    _unconfirmed(sending, [one for one in claimed if one.sop_uid not in shown], reason)
    for one in doubtful:
        if one.sop_uid in shown:
            said = sending.verdicts[one.sop_uid][1]
            sending.say(one.sop_uid, "failed", f"{said} (the archive holds it now: send again to compare)")


class _NotShownError(TransientError):
    """Accepted instances that do not show yet."""


def _unconfirmed(sending: _Sending, instances: Sequence[Instance], reason: str) -> None:
    for instance in instances:
        sending.say(instance.sop_uid, "failed", f"accepted, but not confirmed: {reason}")


def batches(instances: Sequence[Instance], count: int, size: int) -> Iterator[list[Instance]]:
    """Runs of at most ``count`` instances and ``size`` bytes; a larger instance goes alone."""
    batch: list[Instance] = []
    for instance in instances:
        if batch and (len(batch) >= count or sum(one.size for one in batch) + instance.size > size):
            yield batch
            batch = []
        batch.append(instance)
    if batch:
        yield batch


def _line(error: ArchiveError) -> str:
    return " ".join(part for part in (error.what, f"({error.got})" if error.got else "") if part)

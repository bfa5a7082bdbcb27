"""A planned case on disk, so that a re-plan or a watch over the treatment starts within a second.

``PLAN_DIR/state/``: ``manifest.json`` (schema version, SHA-256 of every other file), ``case.json``,
``treatment.json``, ``protocol.json``, ``entry.json``, ``plan.json``, ``volumes.npz``, and of every fast model
``surrogate_1.npz`` and its ``members_1.npz`` (see ``parts``). A re-plan leaves such a folder
too. No pickle anywhere: a foreign state can be wrong, but it cannot run code.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import ValidationError

import vertherm
from vertherm.core.errors import InputError, VerthermError
from vertherm.core.files import atomic_folder, write_json
from vertherm.core.provenance import file_hash
from vertherm.planning.case import CaseFile
from vertherm.planning.objects import Case, Treatment
from vertherm.planning.plan import Plan
from vertherm.planning.protocol import Limit
from vertherm.planning.protocol import Protocol as TreatmentProtocol
from vertherm.planning.state.document import case_document, case_of, entry_document, treatment_document, treatment_of
from vertherm.planning.state.parts import Stored, standard
from vertherm.planning.state.volumes import VolumeStore, read_volumes

if TYPE_CHECKING:
    from vertherm.planning.surrogate.surrogate import Surrogate

SCHEMA_VERSION = 2
KIND = "vertherm planned case"
FOLDER = "state"
MANIFEST = "manifest.json"
VOLUMES = "volumes.npz"
MODELS = ("surrogates", "members")
DOCUMENTS = ("case.json", "treatment.json", "protocol.json", "entry.json", "plan.json")
PLAN_AGAIN = "run `vertherm plan` again and use its folder"


class Planned(Protocol):
    """What is kept of a finished plan (:class:`vertherm.planning.optimise.run.PlanResult` is one)."""

    @property
    def plan(self) -> Plan:
        """The document."""

    @property
    def treatment(self) -> Treatment | None:
        """The chosen treatment; None where nothing could be treated at all."""

    @property
    def surrogates(self) -> Mapping[str, Surrogate]:
        """Fast models by name."""


@dataclass(frozen=True, eq=False)
class State:
    """A planned case as it was when it was planned.

    Args:
        folder: where it was read from.
        case: patient and lesions; its inputs are now this state's manifest (``plan.provenance`` names the first ones).
        protocol: that judged the plan.
        entry: the case file, without the folders of its files.
        plan: the document.
        treatment: the chosen one (or the best that is not a plan: ``plan.status`` says so).
        surrogates: fast models of the planned places, by name.
        members: of those that hold samples, the nominal patient and the standard members instead.
    """

    folder: Path
    case: Case
    protocol: TreatmentProtocol
    entry: CaseFile
    plan: Plan
    treatment: Treatment
    surrogates: Mapping[str, Surrogate]
    members: Mapping[str, Surrogate] = field(default_factory=dict)

    def standard(self, name: str) -> Surrogate:
        """The nominal patient and the standard members of a fast model: what can be carried to another place."""
        return self.members[name] if name in self.members else self.surrogates[name]

    def limits(self) -> dict[str, Limit]:
        """Limits by name of structure, of those that have one."""
        found = {s.name: self.protocol.limit_for(s.kind.value) for s in self.case.anatomy.structures}
        return {name: limit for name, limit in found.items() if limit is not None}


def save_state(folder: Path, case: Case, protocol: TreatmentProtocol, entry: CaseFile, result: Planned) -> None:
    """Write a planned case into ``folder`` (``PLAN_DIR/state``), all of it or nothing.

    Raises:
        InputError: the plan has no treatment, or the operating system refused.
    """
    if result.treatment is None:
        raise InputError("A plan without a treatment has no state to keep.", where=case.name, got=result.plan.status)
    store = VolumeStore()
    documents: dict[str, Any] = {
        "case.json": case_document(case, store),
        "treatment.json": treatment_document(result.treatment, store),
        "protocol.json": protocol.model_dump(mode="json"),
        "entry.json": CaseFile.model_validate(entry_document(entry)).model_dump(mode="json"),
        "plan.json": result.plan.model_dump(mode="json"),
    }
    with atomic_folder(Path(folder)) as temporary:
        store.write(temporary / VOLUMES)
        documents["case.json"]["volumes"] = store.rows
        write_state(temporary, documents, result.surrogates)


def write_state(folder: Path, documents: Mapping[str, Any], surrogates: Mapping[str, Surrogate]) -> None:
    """Write documents and fast models beside what the folder holds already, and the manifest of it all."""
    for name, document in documents.items():
        write_json(folder / name, document)
    models: dict[str, dict[str, str]] = {kind: {} for kind in MODELS}
    for number, (name, surrogate) in enumerate(surrogates.items(), 1):
        models["surrogates"][name] = f"surrogate_{number}.npz"
        surrogate.save(folder / models["surrogates"][name])
        members = standard(surrogate)
        if members is not None:
            models["members"][name] = f"members_{number}.npz"
            members.save(folder / models["members"][name])
    write_json(folder / MANIFEST, _manifest(folder, models))


def _manifest(folder: Path, models: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    return {
        "kind": KIND,
        "schema_version": SCHEMA_VERSION,
        "vertherm": vertherm.__version__,
        "created_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        **models,
        "files": {path.name: file_hash(path) for path in sorted(folder.iterdir())},
    }


def load_state(folder: Path, *, read_surrogate: Callable[[Path], Surrogate] | None = None) -> State:
    """Read a planned case; every file is checked against its hash first.

    Args:
        folder: ``PLAN_DIR`` or ``PLAN_DIR/state``.
        read_surrogate: another reader of the fast models than ``Surrogate.load`` (studies, tests).

    Raises:
        InputError: no planned case, one of another version, or a file that is missing, changed or unreadable.
    """
    found = _state_folder(Path(folder))
    manifest = _checked_manifest(found)
    try:
        return _loaded(found, manifest, read_surrogate or _surrogate_reader())
    except (VerthermError, ValidationError, KeyError, TypeError, ValueError, OSError, zipfile.BadZipFile) as error:
        raise InputError(
            "A planned case cannot be read, although its files are unchanged.",
            where=str(found),
            got=f"{type(error).__name__}: {str(error).splitlines()[0]}",
            expected=f"a state of vertherm {vertherm.__version__}",
            advice=PLAN_AGAIN,
        ) from error


def _surrogate_reader() -> Callable[[Path], Surrogate]:
    from vertherm.planning.surrogate.surrogate import Surrogate

    return Surrogate.load


def _loaded(folder: Path, manifest: Mapping[str, Any], read_surrogate: Callable[[Path], Surrogate]) -> State:
    documents = {name: json.loads((folder / name).read_text("utf-8")) for name in DOCUMENTS}
    volumes = read_volumes(folder / VOLUMES, documents["case.json"]["volumes"])
    files = {kind: {name: folder / file for name, file in manifest[kind].items()} for kind in MODELS}
    return State(
        folder=folder,
        case=case_of(documents["case.json"], volumes, (("planned case", folder / MANIFEST),)),
        protocol=TreatmentProtocol.model_validate(documents["protocol.json"]),
        entry=CaseFile.model_validate(documents["entry.json"]),
        plan=Plan.model_validate(documents["plan.json"]),
        treatment=treatment_of(documents["treatment.json"], volumes),
        surrogates=Stored(files["surrogates"], read_surrogate),
        members=Stored(files["members"], read_surrogate),
    )


def _state_folder(folder: Path) -> Path:
    for candidate in (folder, folder / FOLDER):
        if (candidate / MANIFEST).is_file():
            return candidate
    raise InputError(
        "This folder holds no planned case.",
        where=str(folder),
        got="no such folder" if not folder.is_dir() else f"no {FOLDER}/{MANIFEST}",
        expected="the output folder of `vertherm plan`",
        advice="a plan that found nothing to treat leaves no state; otherwise run `vertherm plan` again",
    )


def _checked_manifest(folder: Path) -> dict[str, Any]:
    manifest = _manifest_of(folder / MANIFEST)
    needed = {*DOCUMENTS, VOLUMES, *(file for kind in MODELS for file in manifest[kind].values())}
    unlisted = sorted(needed - set(manifest["files"]))
    if unlisted:
        raise _damaged(folder, f"manifest without {', '.join(unlisted)}")
    for name in sorted(needed):
        path = folder / name
        if Path(name).name != name or not path.is_file():
            raise _damaged(folder, f"{name} is missing")
        if file_hash(path) != manifest["files"][name]:
            raise _damaged(folder, f"{name} differs from what was written")
    return manifest


def _manifest_of(path: Path) -> dict[str, Any]:
    try:
        manifest = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise _damaged(path.parent, f"{MANIFEST}: {error}") from error
    if not isinstance(manifest, dict) or manifest.get("kind") != KIND:
        raise InputError(
            "This is no planned case of Vertherm.", where=str(path), expected=f'kind "{KIND}"', advice=PLAN_AGAIN
        )
    if manifest.get("schema_version") != SCHEMA_VERSION:
        raise InputError(
            "The planned case was written by another version of Vertherm.",
            where=str(path),
            got=f"schema version {manifest.get('schema_version')} (vertherm {manifest.get('vertherm')})",
            expected=f"schema version {SCHEMA_VERSION} (vertherm {vertherm.__version__})",
            advice=PLAN_AGAIN,
        )
    if not all(isinstance(manifest.get(name), dict) for name in ("files", *MODELS)):
        raise _damaged(path.parent, f"{MANIFEST} lists no files")
    return manifest


def _damaged(folder: Path, got: str) -> InputError:
    return InputError(
        "The planned case is damaged or was changed.",
        where=str(folder),
        got=got,
        expected="the files as they were written",
        advice=PLAN_AGAIN,
    )

"""The follow-up file: one TOML that names the examinations after the procedure and what a reader has drawn on them."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from vertherm.core.errors import InputError
from vertherm.planning.validate import read_toml, validated

Point = tuple[float, float, float]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Drawn(_Part):
    """A mask that a person drew or edited."""

    path: Path
    label: int | str | None = Field(
        default=None, description="value in the mask, or number or label text of a DICOM segment; left out: any above 0"
    )
    frame: Literal["follow-up", "planning"] = Field(
        default="follow-up", description="scan it was drawn on; both are written by vertherm verify"
    )


class ReadTarget(_Part):
    """What a reader says of one lesion at one examination."""

    target: str = Field(default="", description="left out: the only target")
    zone: Drawn | None = Field(default=None, description="treated zone; left out: segmented")
    cement: Drawn | None = Field(default=None, description="left out: found by its density (CT)")
    tumour: Drawn | None = Field(default=None, description="viable tumour; needed for RECIST and MDA")
    no_cement: bool = Field(default=False, description="true: the reader sees no cement (MR, where it is not found)")
    no_tumour: bool = Field(default=False, description="true: the reader sees no tumour any more")
    soft_tissue: bool | None = Field(default=None, description="a soft-tissue component is part of the lesion")
    seed: Point | None = Field(default=None, description="a point inside the treated zone, on the follow-up scan")
    seed_frame: Literal["RAS", "LPS"] = "RAS"
    edge_sd_mm: float = Field(default=1.0, gt=0, le=5, description="doubt of the edges of drawn masks")

    @model_validator(mode="after")
    def _one_statement(self) -> ReadTarget:
        if self.no_tumour and self.tumour is not None:
            raise ValueError("give tumour or no_tumour = true, not both")
        if self.no_cement and self.cement is not None:
            raise ValueError("give cement or no_cement = true, not both")
        return self


class Examination(_Part):
    """One scan after the procedure. Paths are relative to the follow-up file."""

    name: str = Field(min_length=1, max_length=60)
    date: datetime.date | None = Field(default=None, description="needed where there are several examinations")
    image: Path
    series_uid: str | None = None
    modality: Literal["CT", "MR"] = "CT"
    contrast: bool = Field(description="contrast medium was given")
    native: Path | None = Field(
        default=None, description="scan without contrast medium of the same examination, in the same frame"
    )
    native_series_uid: str | None = None
    shift_mm: Point | None = Field(
        default=None, description="rough start, planning to follow-up, RAS; needed for MR in another frame"
    )
    targets: tuple[ReadTarget, ...] = ()

    @model_validator(mode="after")
    def _native_needs_contrast(self) -> Examination:
        if self.native is not None and not self.contrast:
            raise ValueError("native names a second scan: then the first must be one with contrast = true")
        if len({item.target for item in self.targets}) < len(self.targets):
            raise ValueError("two entries for the same target")
        return self

    def drawn(self) -> list[tuple[str, Path]]:
        """(Role, path) of every mask that a person gave."""
        rows = [(item, name, getattr(item, name)) for item in self.targets for name in ("zone", "cement", "tumour")]
        return [
            (f"{name} of {item.target or 'the lesion'}, {self.name}", m.path) for item, name, m in rows if m is not None
        ]

    def reading(self, target: str, only: bool) -> ReadTarget:
        """What was said of a lesion; nothing said: the defaults."""
        for item in self.targets:
            if item.target == target or (only and item.target == ""):
                return item
        return ReadTarget(target=target)


class FollowupFile(_Part):
    """Examinations in any order; they are compared by date."""

    title: str = ""
    spacing_mm: float = Field(default=1.0, ge=0.4, le=3.0, description="of the grid that everything is compared on")
    goal_mm: float = Field(default=5.0, gt=0, le=20, description="margin that is aimed at")
    cement_hu: float = Field(default=1000.0, ge=300, le=3000)
    soft_tissue: dict[str, bool] = Field(
        default_factory=dict, description="by target: the lesion had a soft-tissue component before treatment"
    )
    examinations: tuple[Examination, ...] = Field(min_length=1)

    @field_validator("examinations")
    @classmethod
    def _by_date(cls, value: tuple[Examination, ...]) -> tuple[Examination, ...]:
        if len({item.name for item in value}) < len(value):
            raise ValueError("two examinations have the same name: give each its own")
        if len(value) > 1 and any(item.date is None for item in value):
            raise ValueError("several examinations are compared by date: give each its date")
        return tuple(sorted(value, key=lambda item: item.date or datetime.date.min))


def load_followup(path: Path) -> FollowupFile:
    """Read a follow-up file; relative paths become relative to it.

    Raises:
        InputError: missing, no TOML, or wrong entries; all of them are listed.
    """
    data = read_toml(path, "follow-up file")
    entry = validated(FollowupFile, data, str(path))
    return entry.model_copy(
        update={"examinations": tuple(_placed(item, Path(path).parent) for item in entry.examinations)}
    )


def single(
    image: Path, *, date: datetime.date | None, contrast: bool, modality: str, native: Path | None, zone: Path | None
) -> FollowupFile:
    """A follow-up of one examination, as named on the command line.

    Raises:
        InputError: the parts contradict each other.
    """
    row: dict[str, Any] = {
        "name": "follow-up",
        "date": date,
        "image": image,
        "contrast": contrast,
        "modality": modality,
        "native": native,
    }
    if zone is not None:
        row["targets"] = [{"zone": {"path": zone}}]
    return validated(FollowupFile, {"examinations": [row]}, "command line")


def _placed(item: Examination, folder: Path) -> Examination:
    def beside(path: Path | None) -> Path | None:
        return None if path is None else folder / path

    def drawn(part: Drawn | None) -> Drawn | None:
        return None if part is None else part.model_copy(update={"path": folder / part.path})

    targets = tuple(
        reading.model_copy(update={name: drawn(getattr(reading, name)) for name in ("zone", "cement", "tumour")})
        for reading in item.targets
    )
    return item.model_copy(update={"image": folder / item.image, "native": beside(item.native), "targets": targets})


def check_targets(entry: FollowupFile, names: tuple[str, ...]) -> None:
    """Refuse names of lesions that the plan does not have.

    Raises:
        InputError: an unknown name, or none where the plan has several lesions.
    """
    for name in entry.soft_tissue:
        if name not in names and not (name == "" and len(names) == 1):
            raise InputError(
                "The follow-up names a lesion that the plan does not have.",
                where="soft_tissue",
                got=repr(name),
                expected=f"one of: {', '.join(names)}",
            )
    for item in entry.examinations:
        for reading in item.targets:
            if reading.target in names or (reading.target == "" and len(names) == 1):
                continue
            raise InputError(
                "The follow-up names a lesion that the plan does not have.",
                where=f"examination {item.name}",
                got=repr(reading.target),
                expected=f"one of: {', '.join(names)}",
            )

"""A lesion beside the S1 foramen at a study's energy: the root without protection, and behind gas or fluid.

Lumbar scan of the shared data (TotalSegmentator repository, Apache-2.0), 3 mm voxels. S1, left, synthetic lytic lesion
in the lateral body, needle from behind through the ala, 15.185 W for 4 min 30 s (4.1 kJ). The dissection is a layer in
the fat and muscle of the foramen, on the root's side towards the needle; nothing is pushed away. What comes out is a
finding: gas stops heat, hardly the field, and takes perfused tissue away; fluid conducts, stores and absorbs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vertherm.heat.dissection import medium_ml
from vertherm.heat.member import Member, members
from vertherm.heat.protection import Protection
from vertherm.materials.tissue import TissueProperties, tissue
from vertherm.planning.case import CaseFile, DissectionEntry, Numerics, ProtectionEntry
from vertherm.planning.evaluate import LesionOnGrid, evaluate
from vertherm.planning.objects import Case, Treatment
from vertherm.planning.outcome import MemberOutcome
from vertherm.planning.prepare import prepare
from vertherm.planning.protection.protection import with_protection
from vertherm.planning.protocol import Protocol
from vertherm.planning.setup import make_setup

ROOT, CANAL = "root S1 left", "canal"
WITHOUT = "no protection"


def data_folder() -> Path:
    """``VERTHERM_DATA``, or ``../shared/data`` beside the checkout."""
    named = os.environ.get("VERTHERM_DATA")
    return Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "data"


def case_file() -> CaseFile:
    """The case; the same keys as in a TOML case file."""
    folder = data_folder() / "totalseg_lumbar"
    return CaseFile.model_validate(
        {
            "case": "S1 foramen",
            "title": "Lumbar scan: S1, synthetic lytic lesion beside the left foramen",
            "images": {
                "ct": folder / "ct.nii.gz",
                "labels": [
                    {"path": folder / "seg_total117_fast.nii.gz", "vocabulary": "totalsegmentator"},
                    {
                        "path": folder / "seg_vertebrae_body_disc.nii.gz",
                        "vocabulary": "totalsegmentator-vertebrae-body",
                    },
                ],
            },
            "targets": [
                {
                    "name": "lesion",
                    "level": "S1",
                    "level_confirmed": True,
                    "pathology": "breast",
                    "kind": "lytic",
                    "synthetic": {"centre_mm": [-21.0, 109.0, 220.0], "radius_mm": 8.0, "seed": 1},
                }
            ],
            "applicators": [
                {
                    "model": "tosoratti_mini_choke",
                    "frame": "RAS",
                    "entry": [-50.0, 25.0, 225.0],
                    "tip": [-23.0, 113.0, 219.0],
                }
            ],
            "schedule": {"power_kind": "forward", "activations": [{"power_w": 15.185, "time_s": 270}]},
        }
    )


@dataclass(frozen=True)
class Found:
    """What one protection does, in one member.

    Args:
        root_c, canal_c: hottest cell of the root and of the canal.
        root_min, canal_min: largest CEM43 in minutes.
        coverage: share of the lesion at CEM43 240 min.
        medium_ml: of gas or fluid on the heat grid.
    """

    root_c: float
    canal_c: float
    root_min: float
    canal_min: float
    coverage: float
    medium_ml: float


Change = Callable[[TissueProperties], TissueProperties]


def unchanged(gas: TissueProperties) -> TissueProperties:
    """CO2 as the tables have it."""
    return gas


def moist(gas: TissueProperties) -> TissueProperties:
    """Gas between wet walls that radiate: ten times the conduction, the upper end of its range."""
    return replace(gas, conductivity=10.0 * gas.conductivity)


def heat_only(gas: TissueProperties) -> TissueProperties:
    """Gas for heat and blood, fat for the field."""
    return replace(gas, dielectric=tissue("fat").dielectric)


def field_only(gas: TissueProperties) -> TissueProperties:
    """Gas for the field, fat for heat and blood."""
    return replace(tissue("fat"), name=gas.name, dielectric=gas.dielectric, damage=gas.damage)


@dataclass(frozen=True, eq=False)
class Study:
    """The case without protection, ready for every variant of it."""

    case: Case
    treatment: Treatment
    protocol: Protocol
    numerics: Numerics

    @staticmethod
    def read(spacing_mm: float) -> Study:
        """Read the scan and make the lesion."""
        case, treatment, protocol = prepare(case_file())
        return Study(case, treatment, protocol, Numerics(spacing_mm=spacing_mm))

    def dissection(self, medium: str, thickness_mm: float) -> Treatment:
        """The treatment with a layer of ``medium`` before the root."""
        entry = DissectionEntry.model_validate(
            {"name": f"{medium}, {thickness_mm:g} mm", "medium": medium, "around": ROOT, "thickness_mm": thickness_mm}
        )
        return with_protection(self.treatment, ProtectionEntry(dissections=(entry,)), self.case)

    def found(self, treatment: Treatment, member: Member, gas: Change = unchanged) -> Found:
        """Run one member; ``gas`` changes what the gas is."""
        setup = make_setup(self.case, treatment, self.protocol, self.numerics)
        palette = tuple(gas(entry) if entry.name == "co2" else entry for entry in setup.tissue.palette)
        setup = replace(setup, tissue=replace(setup.tissue, palette=palette))
        lesions = tuple(LesionOnGrid(target.name, target.mask) for target in self.case.targets)
        outcome = evaluate(setup, member, self.protocol, lesions)
        return _found(outcome, sum(medium_ml(one, setup.tissue) for one in treatment.protection.dissections))

    def variants(self, thicknesses_mm: Sequence[float]) -> dict[str, Treatment]:
        """No protection, then each medium at each thickness."""
        out = {WITHOUT: replace(self.treatment, protection=Protection())}
        for medium in ("co2", "saline", "dextrose"):
            for thickness in thicknesses_mm:
                out[f"{medium}, {thickness:g} mm"] = self.dissection(medium, thickness)
        return out


def _found(outcome: MemberOutcome, volume_ml: float) -> Found:
    root, canal = outcome.structures[ROOT], outcome.structures[CANAL]
    coverage = outcome.coverage["lesion"]["cem43_240"].coverage
    return Found(root.peak_c, canal.peak_c, root.cem43_min, canal.cem43_min, coverage, volume_ml)


def run(
    spacing_mm: float = 1.0,
    thicknesses_mm: Sequence[float] = (3.0, 6.0, 10.0),
    run_members: Sequence[Member] | None = None,
) -> dict[str, dict[str, Found]]:
    """Every variant in every member, found[member][variant], and for the middle thickness what gas does to heat alone
    and to the field alone."""
    study = Study.read(spacing_mm)
    found: dict[str, dict[str, Found]] = {}
    for member in run_members or chosen(study.protocol.local_sar.factor):
        rows = {name: study.found(treatment, member) for name, treatment in study.variants(thicknesses_mm).items()}
        for thickness in thicknesses_mm:
            rows[f"co2, {thickness:g} mm, moist"] = study.found(study.dissection("co2", thickness), member, moist)
        middle = study.dissection("co2", thicknesses_mm[len(thicknesses_mm) // 2])
        rows["co2 for heat only"] = study.found(middle, member, heat_only)
        rows["co2 for the field only"] = study.found(middle, member, field_only)
        found[member.name] = rows
    return found


def chosen(factor: float) -> tuple[Member, ...]:
    """Nominal, and the safety member with net power and the local factor."""
    standard = members(factor)
    hottest = next(m for m in standard if m.sar_factor != 1.0 and m.power == "net" and m.drying == "water")
    return standard[0], hottest


def words(rows: dict[str, Found]) -> list[str]:
    """One line a variant: values, and the change against no protection with its direction."""
    base = rows[WITHOUT]
    lines = []
    for name, row in rows.items():
        change = (
            ""
            if name == WITHOUT
            else f"  root {row.root_c - base.root_c:+.1f} K, canal {row.canal_c - base.canal_c:+.1f} K"
        )
        lines.append(
            f"{name:22s} {row.medium_ml:4.1f} mL  root {row.root_c:5.1f} °C {row.root_min:8.3g} min  "
            f"canal {row.canal_c:5.1f} °C {row.canal_min:8.3g} min  lesion {100 * row.coverage:3.0f} %{change}"
        )
    return lines


if __name__ == "__main__":
    for member, rows in run().items():
        print(member)
        print("\n".join(words(rows)))

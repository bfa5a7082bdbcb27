"""The folder of a simulation on a real vertebra, made without simulating: a case file, an assessment and zone files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np

from tests.shared_data import need
from vertherm.core.provenance import file_hash
from vertherm.geometry.volume import FloatArray, Grid, Volume
from vertherm.imaging.anatomy import TISSUE_OF, Anatomy
from vertherm.imaging.nifti import write_nifti
from vertherm.imaging.synthetic_followup import Ellipsoid, Paint, Scanner, synthetic_followup
from vertherm.planning.case import load_case
from vertherm.planning.objects import Case
from vertherm.planning.prepare import prepare_case

CASE = """
case = "followup-test"
title = "L3, real CT with a synthetic lesion"

[images]
ct = "input/ct.nii.gz"

[[images.labels]]
path = "input/vertebrae.nii.gz"
vocabulary = "verse"

[[images.labels]]
path = "input/subregions.nii.gz"
vocabulary = "tptbox-subregion"

[[targets]]
name = "lesion"
level = "L3"
level_confirmed = true
kind = "lytic"

[targets.synthetic]
radius_mm = 7.0
seed = 3
"""
FILES = {
    "ct": "tptbox_vertebra/sub-ct_label-22_ct.nii.gz",
    "vertebrae": "tptbox_vertebra/sub-ct_seg-vert_label-22_msk.nii.gz",
    "subregions": "tptbox_vertebra/sub-ct_seg-subreg_label-22_msk.nii.gz",
}


def planned_folder(folder: Path) -> tuple[Path, Case]:
    """A plan of a ball of 12 mm around the lesion's centre, and the case it was made from."""
    (folder / "input").mkdir(parents=True)
    (folder / "fields").mkdir()
    for name, path in FILES.items():
        shutil.copyfile(need(path), folder / "input" / f"{name}.nii.gz")
    (folder / "case.toml").write_text(CASE, "utf-8")
    case = prepare_case(load_case(folder / "case.toml"), folder / "case.toml")[0]
    centre = case.targets[0].centre_mm
    zone = ball(centre, 12.0).mask(Grid.isotropic(centre - 20, centre + 20, 1.0))
    write_nifti(Volume((2 * zone.data).astype(np.uint8), zone.grid), folder / "fields" / "zone_isotherm_60.nii.gz")
    applicator = {
        "antenna": "made_up",
        "frequency_mhz": 2450.0,
        "entry_ras_mm": np.add(centre, (30.0, -40.0, 0.0)).tolist(),
        "tip_ras_mm": centre.tolist(),
    }
    document = {
        "treatment": {"applicators": [applicator], "power": [{"member": "nominal", "net_kj": 3.5}]},
        "zones": [{"metric": "isotherm_60", "label": "60 °C isotherm"}],
        "provenance": {"inputs": [{"role": "ct", "sha256": file_hash(folder / "input" / "ct.nii.gz")}]},
    }
    (folder / "assessment.json").write_text(json.dumps(document), "utf-8")
    return folder, case


def ball(centre: FloatArray, radius_mm: float) -> Ellipsoid:
    return Ellipsoid((float(centre[0]), float(centre[1]), float(centre[2])), (radius_mm,) * 3)


def rigid(case: Case, degrees: tuple[float, float, float], shift_mm: tuple[float, float, float]) -> FloatArray:
    """A turn about the lesion's centre and a shift, planning to follow-up."""
    from scipy.spatial.transform import Rotation

    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_rotvec(np.radians(degrees)).as_matrix()
    centre = case.targets[0].centre_mm
    matrix[:3, 3] = centre + shift_mm - matrix[:3, :3] @ centre
    return matrix


def examination(
    case: Case, folder: Path, name: str, matrix: FloatArray, paints: list[Paint], alive: Ellipsoid | None = None
) -> None:
    """SYNTHETIC_<name>.nii.gz with contrast medium and SYNTHETIC_<name>_native.nii.gz without, at 1.2 mm.

    ``alive``: tissue within what was painted that takes up contrast medium again, by 60 HU.
    """
    anatomy = case.anatomy
    low, high = anatomy.ct.grid.bounds()
    grid = Grid.isotropic(low - 6.0, high + 6.0, 1.2)
    again = [] if alive is None else [Paint(alive, 60.0)]
    for seed, (medium, more, suffix) in enumerate(((living(anatomy), again, ""), (None, [], "_native"))):
        scan = synthetic_followup(
            anatomy.ct,
            grid,
            to_followup=matrix,
            paints=[paints[0], *more, *paints[1:]],
            enhancement=medium,
            scanner=Scanner(noise_hu=14.0, seed=sum(name.encode()) + 100 * seed),
        )
        write_nifti(scan, folder / f"SYNTHETIC_{name}{suffix}.nii.gz")


def living(anatomy: Anatomy) -> Volume:
    """What contrast medium adds: 40 HU in bone, 25 HU in muscle."""
    tissue = anatomy.tissue
    bone = np.isin(
        tissue.data, [TISSUE_OF[n] for n in ("vertebra", "cancellous_bone", "cortical_bone", "lytic_tumour")]
    )
    soft = np.isin(tissue.data, [TISSUE_OF[n] for n in ("muscle", "soft_tissue")])
    return Volume((40.0 * bone + 25.0 * soft).astype(np.float32), tissue.grid)

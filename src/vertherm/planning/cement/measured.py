"""Cement as a scan after the procedure shows it: read, cut out by threshold, measured like a prediction."""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.typing import NDArray

from vertherm.cement.vertebra import SITES, VertebraScene
from vertherm.core.errors import InputError
from vertherm.geometry.volume import Volume
from vertherm.imaging.read import read_ct, read_mask
from vertherm.materials.bone_density import flow_constant
from vertherm.planning.assessment import Banded, Probability
from vertherm.planning.case import CementEntry, MeasuredCement
from vertherm.planning.cement.document import FillRow, Site, SiteRow
from vertherm.planning.cement.endplates import endplate_rows
from vertherm.planning.cement.fill import share_on_left
from vertherm.planning.cement.needles import target_named
from vertherm.planning.cement.result import CementFields
from vertherm.planning.cement.scene import SceneNotes, smooth
from vertherm.planning.objects import Case, Target

Bool = NDArray[np.bool_]
FEWEST_CELLS = 20


def measured_by_target(entry: CementEntry, case: Case) -> dict[str, MeasuredCement]:
    """The measured cement of each target that has some.

    Raises:
        InputError: an entry names no target where there are several, two name one, or a volume is asked for beside it.
    """
    found: dict[str, MeasuredCement] = {}
    for number, item in enumerate(entry.measured, 1):
        where = f"cement.measured[{number}]"
        name = target_named(case, item.target, where).name
        if name in found:
            raise InputError("Two measured cements for one target.", where=where, got=name, advice="give one mask")
        if name in entry.volume_ml:
            raise InputError(
                "A target has measured cement and a volume to predict.",
                where=where,
                got=name,
                advice="leave one of them out",
            )
        found[name] = item
    return found


def measured_cement(item: MeasuredCement, case: Case, scene: VertebraScene) -> Bool:
    """Cells that hold cement in the later scan.

    A threshold alone would take dense cortex for cement: what the planning CT shows as dense already is left out.

    Raises:
        InputError: mask or scan cannot be used, or they hold no cement near the vertebra.
    """
    if item.mask is not None:
        found = smooth(read_mask(item.mask, case.anatomy.ct, item.label), scene.grid)
    else:
        assert item.ct is not None
        later = read_ct(item.ct)
        if later.grid.frame and case.anatomy.ct.grid.frame and later.grid.frame != case.anatomy.ct.grid.frame:
            raise InputError(
                "The scan after the procedure has another frame of reference.",
                where=str(item.ct),
                got=later.grid.frame,
                expected=case.anatomy.ct.grid.frame,
                advice="register it to the planning CT first",
            )
        now = later.resampled(scene.grid, order=1, outside=-1000.0).data
        before = case.anatomy.ct.resampled(scene.grid, order=1, outside=-1000.0).data
        found = np.asarray((now >= item.threshold_hu) & (before < item.threshold_hu))
    # What lies in a neighbouring vertebra was put there on its own.
    found = _largest(found & ~(scene.other_bone & ~scene.bone))
    if int(found.sum()) < FEWEST_CELLS:
        raise InputError(
            "No cement was found in or beside the vertebra.",
            where=str(item.mask or item.ct),
            got=f"{int(found.sum())} mm3" if scene.spacing_mm == 1.0 else f"{int(found.sum())} cells",
            expected=f"at least {FEWEST_CELLS} cells",
            advice="check the registration to the planning CT, the label value or threshold_hu",
        )
    return found


def _largest(mask: Bool) -> Bool:
    """Without specks: parts of fewer cells than FEWEST_CELLS are noise."""
    from scipy import ndimage

    parts, count = ndimage.label(mask)
    if not count:
        return mask
    sizes = np.bincount(parts.reshape(-1))
    keep = sizes >= FEWEST_CELLS
    keep[0] = False
    return np.asarray(keep[parts])


def measured_target(target: Target, seen: SceneNotes, cement: Bool) -> tuple[FillRow, list[SiteRow], CementFields]:
    """Volumes and leaks of measured cement, and its fields."""
    from vertherm.cement.spread import flow_space, nominal_sample
    from vertherm.cement.vertebra import porous_medium

    scene = seen.scene
    cell_ml = scene.spacing_mm**3 / 1000.0
    drawn = nominal_sample(flow_space(density_error_mg_cm3=1.0, tip_error_mm=1.0, tip_source="not used"))
    pores = porous_medium(scene, drawn).porosity
    share = np.where(cement, np.where(scene.sites == 0, pores, 1.0), 0.0).astype(np.float32)
    sites = scene.sites
    inside = cement & (sites == 0)
    fill = FillRow(
        injected_ml=float(share.sum()) * cell_ml,
        in_bone_ml=_exact(float(share[inside].sum()) * cell_ml),
        leaked_ml=_exact(float(share[cement & (sites > 0)].sum()) * cell_ml),
        lesion_share=_exact(_share(cement, scene.lesion)),
        body_share=_exact(_share(cement, scene.body)),
        left_share=_exact(share_on_left(scene, cement)),
        endplates=endplate_rows(scene, cement),
        capacity_ml=float(pores[scene.bone].sum()) * cell_ml,
    )
    rows = [
        _site(scene, seen, cement, sites, n, site) for n, site in enumerate(SITES, 1) if site not in seen.missing_sites
    ]
    fields = CementFields(
        target=target.name,
        needles={},
        body=Volume(scene.body, scene.grid),
        lesion=Volume(scene.lesion, scene.grid),
        canal=Volume(scene.canal, scene.grid),
        fill=Volume(share, scene.grid, "cement, measured"),
        probability=None,
        arrival_ml=None,
        sites=Volume(sites, scene.grid),
    )
    return fill, rows, fields


def _site(scene: VertebraScene, seen: SceneNotes, cement: Bool, sites: NDArray[np.uint8], n: int, site: str) -> SiteRow:
    from scipy import ndimage

    volume = float((cement & (sites == n)).sum()) * scene.spacing_mm**3 / 1000.0
    there = volume >= flow_constant("leak_volume").value
    distance = None
    if (sites == n).any() and cement.any():
        away = ndimage.distance_transform_edt(sites != n, sampling=scene.spacing_mm)
        distance = max(float(away[cement].min()) - scene.spacing_mm, 0.0)
    seen_once = Probability(
        events=int(there), samples=1, failed=0, estimate=float(there), low=float(there), high=float(there)
    )
    return SiteRow(
        site=cast(Site, site),
        onset_ml=None,
        distance_mm=distance,
        probability=seen_once,
        derived=site in seen.derived_sites,
        words=f"{volume:.2f} ml seen there" if there else "no cement seen there",
    )


def _exact(value: float) -> Banded:
    return Banded(value=value, low=value, high=value)


def _share(cement: Bool, part: Bool) -> float:
    return float((cement & part).sum()) / max(int(part.sum()), 1)

"""Build an :class:`Anatomy` from a CT and its label maps: every voxel a tissue, every structure a name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vertherm.clinical.levels import Level, Region
from vertherm.clinical.pathology import LesionKind
from vertherm.core.errors import InputError
from vertherm.geometry.volume import Grid, Volume
from vertherm.imaging.anatomy import TISSUE_CODES, TISSUE_OF, Anatomy, Structure, StructureKind, cropped, on_grid
from vertherm.imaging.checks import check_hu, detect_metal
from vertherm.imaging.derive_body import Body, derive_body, derive_skin
from vertherm.imaging.derive_canal import Canal, derive_canal
from vertherm.imaging.derive_roots import derive_roots
from vertherm.imaging.labels import Decoded, decode
from vertherm.imaging.no_data import find_no_data
from vertherm.imaging.orient import axis_codes, reoriented
from vertherm.imaging.read import check_same_frame
from vertherm.imaging.tables import rule

Bool = NDArray[np.bool_]
Codes = NDArray[np.uint8]
_NOT_LESION = ("spinal_cord", "nerve", "blood", "metal", "air", "skin")


def build_anatomy(ct: Volume, labels: Sequence[tuple[Volume, str]], *, mr: Volume | None = None) -> Anatomy:
    """Anatomy of a CT with its label maps; skin, canal, nerve roots and cortical shell are derived where unlabelled.

    Args:
        ct: planning CT in HU.
        labels: label maps, each with the name of its vocabulary, on any grid of the CT's frame.
        mr: an MR on its own frame, shown only; without one "epidural extent not assessed" is noted.

    Returns:
        Anatomy on the CT's grid; masks are cropped and stored on the CT's voxels in RAS order.

    Raises:
        InputError: HU that cannot be HU, unknown vocabulary, labels in another frame.
    """
    check_hu(ct)
    canonical = ct.with_data(ct.data.astype(np.float32, copy=False)).canonical()
    grid = canonical.grid
    decoded = decode(canonical, labels)
    no_data = find_no_data(canonical.data)
    body = derive_body(canonical.data, grid.spacing_mm, no_data)
    canal = _canal(decoded, grid)
    structures = _labelled(decoded, grid) + _sac(decoded, grid)
    notes = [*decoded.notes, *_no_data_notes(no_data)]
    derived, more = _derived(decoded, body, canal, grid, {s.name for s in structures})
    metal = detect_metal(canonical)
    notes += more + ([metal.note()] if metal else [])
    if mr is None:
        notes.append("epidural extent not assessed: there is no MR")
    metal_mask = decoded.role("metal") | (on_grid(metal.mask, grid) if metal else False)
    tissue = _tissue(canonical, decoded, body, canal, [*structures, *derived], metal_mask)
    stored = reoriented(Volume(tissue, grid, ct.source), axis_codes(ct.grid))
    return Anatomy(
        ct=ct.with_data(ct.data.astype(np.float32, copy=False)),
        tissue=Volume(stored.data, ct.grid, ct.source),
        tissue_names=dict(TISSUE_CODES),
        vertebrae={level: cropped(mask, grid, f"vertebra {level}") for level, mask in decoded.vertebrae.items()},
        structures=(*structures, *derived),
        lesions={},
        notes=tuple(notes),
        synthetic=False,
        metal=cropped(metal_mask, grid, "metal") if metal_mask.any() else None,
        bodies=_bodies(decoded, canal, grid),
        mr=mr,
        no_data=cropped(no_data, grid, "no data") if no_data.any() else None,
    )


def add_lesion(
    anatomy: Anatomy,
    name: str,
    mask: Volume,
    kind: LesionKind | str,
    *,
    ct: Volume | None = None,
    synthetic: bool = False,
) -> Anatomy:
    """The anatomy with one more lesion: its tissue is set, overlaps are noted.

    Args:
        anatomy: without this lesion.
        name: of the lesion.
        mask: bool (or > 0), any grid of the frame.
        kind: lytic, blastic or mixed.
        ct: changed CT (a synthetic lesion's), same grid as before.
        synthetic: made by code; the anatomy is then marked so.

    Raises:
        InputError: empty, in another frame, outside the image or outside the body.
    """
    kind = LesionKind(kind)
    grid = anatomy.ct.grid
    check_same_frame(mask.grid, grid, mask.source or name)
    inside = on_grid(mask.with_data(np.asarray(mask.data) > 0), grid)
    if not inside.any():
        raise InputError(
            "The lesion mask is empty within the CT.", where=name, advice="check mask, label value and affine"
        )
    tissue = anatomy.tissue.data
    in_air = float(np.mean(tissue[inside] == TISSUE_OF["air"]))
    if in_air > 0.05:
        raise InputError(
            "The lesion lies outside the body.",
            where=name,
            got=f"{100 * in_air:.0f} % of it in air",
            expected="a lesion inside the body",
            advice="check the lesion's mask or centre",
        )
    paintable = inside & ~np.isin(tissue, [TISSUE_OF[t] for t in _NOT_LESION])
    for structure in anatomy.of_kind(*_NEURAL):
        paintable &= ~structure.on(grid)
    codes = tissue.copy()
    codes[paintable] = TISSUE_OF[kind.tissue]
    notes = [*anatomy.notes, *_lesion_notes(anatomy, name, inside)]
    if synthetic:
        notes.append(f"SYNTHETIC lesion '{name}' ({kind.value}): made by code, not found in a patient")
    return replace(
        anatomy,
        ct=anatomy.ct if ct is None else ct,
        tissue=anatomy.tissue.with_data(codes),
        lesions={**anatomy.lesions, name: cropped(inside, grid, mask.source)},
        notes=tuple(notes),
        synthetic=anatomy.synthetic or synthetic,
    )


def _lesion_notes(anatomy: Anatomy, name: str, inside: Bool) -> list[str]:
    grid = anatomy.ct.grid
    touched = [str(level) for level, v in anatomy.vertebrae.items() if (on_grid(v, grid) & inside).any()]
    notes = [] if touched else [f"lesion '{name}' lies in no labelled vertebra"]
    if len(touched) > 1:
        notes.append(f"lesion '{name}' reaches into {', '.join(touched)}")
    for structure in anatomy.of_kind(StructureKind.canal, StructureKind.dural_sac, StructureKind.cord):
        overlap = float((structure.on(grid) & inside).sum()) * grid.voxel_volume_ml
        if overlap > 0:
            notes.append(f"lesion '{name}' overlaps the {structure.name} by {overlap:.2f} ml")
    return notes


def _no_data_notes(no_data: Bool) -> list[str]:
    if not no_data.any():
        return []
    share = 100 * float(no_data.mean())
    shown = f"{share:.0f}" if share >= 1 else "less than 1"
    return [f"{shown} % of the image holds no data (field of view or gantry tilt): nothing there is assessed"]


def _canal(decoded: Decoded, grid: Grid) -> Canal | None:
    """The labelled canal, or the derived one."""
    labelled = decoded.role("canal")
    if labelled.any():
        return Canal(labelled, "label", np.any(labelled, axis=(0, 1)))
    sac = decoded.role("sac")
    for entry, mask, _ in decoded.structures.values():
        if entry.kind in (StructureKind.dural_sac, StructureKind.cord):
            sac = sac | mask
    bone = np.zeros(grid.shape, bool)
    for mask in decoded.vertebrae.values():
        bone |= mask
    for name in ("sacrum", "coccyx"):
        if name in decoded.structures:
            bone |= decoded.structures[name][1]
    if not bone.any() and not sac.any():
        return None
    return derive_canal(bone, grid.spacing_mm, sac if sac.any() else None)


def _labelled(decoded: Decoded, grid: Grid) -> list[Structure]:
    """Structures straight from labels; the sac and vertebrae have ways of their own."""
    found = []
    for name, (entry, mask, source) in decoded.structures.items():
        if entry.kind is None or entry.role in ("sac", "canal"):
            continue
        found.append(Structure(name, entry.kind, cropped(mask, grid, source), False, source, entry.level, entry.side))
    return found


def _sac(decoded: Decoded, grid: Grid) -> list[Structure]:
    """A label that follows the dural sac: the sac, and the part at and above L1 also as spinal cord."""
    found = []
    for name, (entry, mask, source) in decoded.structures.items():
        if entry.role != "sac" or entry.kind is None:
            continue
        cord = mask & _at_and_above_l1(decoded, mask)
        if not cord.all() and mask.any():
            found.append(Structure(name, entry.kind, cropped(mask, grid, source), False, source))
        if cord.any():
            text = f"{source}, its part at and above L1 (conus taken at the lower edge of L1)"
            found.append(Structure("spinal cord", StructureKind.cord, cropped(cord, grid, text), False, text))
    return found


def _at_and_above_l1(decoded: Decoded, mask: Bool) -> Bool:
    out = np.zeros_like(mask)
    upper = [level for level in decoded.vertebrae if level <= Level.L1]
    if upper:
        lowest = decoded.vertebrae[max(upper)]
        out[:, :, int(np.flatnonzero(lowest.any(axis=(0, 1)))[0]) :] = True
        if max(upper) < Level.L1 and max(decoded.vertebrae) is max(upper):
            out[:] = True
    return out


def _derived(
    decoded: Decoded, body: Body, canal: Canal | None, grid: Grid, taken: set[str]
) -> tuple[list[Structure], list[str]]:
    found: list[Structure] = []
    notes: list[str] = []
    if "skin" not in taken:
        skin, note = _skin(body, grid)
        found += skin
        notes.append(note)
    if canal is None:
        notes.append("canal not derived: no closed vertebral ring and no label")
    else:
        from_label = canal.source == "label"
        mask = cropped(canal.mask, grid, canal.source)
        found.append(Structure("canal", StructureKind.canal, mask, not from_label, canal.source))
        if not from_label:
            notes.append(f"canal derived: {canal.source}")
            sac = any(entry.kind in _NEURAL for entry, _, _ in decoded.structures.values())
            notes += [] if sac else ["dural sac not labelled: the derived canal is taken to hold CSF"]
        roots, more = _roots(decoded, canal, grid, taken)
        found += roots
        notes += more
    for level, vertebra in decoded.vertebrae.items():
        text = "outermost voxel layer of the vertebra (thicker than real cortex where voxels are coarse)"
        shell = vertebra & ~_eroded(vertebra)
        found.append(Structure(f"cortex {level}", StructureKind.cortex, cropped(shell, grid, text), True, text, level))
    return found, notes


_LATER = (StructureKind.bone, StructureKind.root)
_NEURAL = (StructureKind.dural_sac, StructureKind.cord, StructureKind.cauda)


def _skin(body: Body, grid: Grid) -> tuple[list[Structure], str]:
    if not body.skin_in_image:
        return [], "skin outside the image: it cannot be assessed"
    mask = derive_skin(body, grid.spacing_mm)
    text = "outermost 2 mm (at least one voxel) of the body by HU"
    note = "skin derived from HU; its distance to the target holds for the posture of the scan (supine or prone)"
    return [Structure("skin", StructureKind.skin, cropped(mask, grid, text), True, text)], note


def _roots(decoded: Decoded, canal: Canal, grid: Grid, taken: set[str]) -> tuple[list[Structure], list[str]]:
    bone = decoded.bone()
    roots, notes = derive_roots(decoded.vertebrae, canal.mask, bone, grid.spacing_mm)
    found = []
    for root in roots:
        name = f"root {root.name} {root.side}"
        if name in taken:
            continue
        mask = cropped(root.mask, grid, root.source)
        found.append(Structure(name, StructureKind.root, mask, True, root.source, root.level, root.side))
    if found:
        notes.append("nerve roots derived from bone and canal: " + ", ".join(s.name[len("root ") :] for s in found))
    return found, [n for n in notes if n.split(" could")[0] not in taken]


def _eroded(mask: Bool) -> Bool:
    from scipy import ndimage

    window = ndimage.find_objects(mask.astype(np.uint8))[0] if mask.any() else (slice(0, 1),) * 3
    out = np.zeros_like(mask)
    out[window] = ndimage.binary_erosion(np.pad(mask[window], 1))[1:-1, 1:-1, 1:-1]
    return out


def _bodies(decoded: Decoded, canal: Canal | None, grid: Grid) -> dict[Level, Volume]:
    """Vertebral bodies: labelled, or what of a vertebra lies before the canal."""
    bodies = {level: cropped(mask, grid, f"body {level}, label") for level, mask in decoded.bodies.items()}
    if canal is None:
        return bodies
    fronts = np.full(grid.shape[2], np.nan)
    for k in np.flatnonzero(canal.mask.any(axis=(0, 1))):
        fronts[k] = np.flatnonzero(canal.mask[:, :, k].any(axis=0))[-1]
    for level, mask in decoded.vertebrae.items():
        if level in bodies or (level.region is Region.sacral and level is not Level.S1):
            continue
        ahead = np.arange(grid.shape[1])[None, :, None] > fronts[None, None, :]
        part = mask & ahead
        if part.any():
            bodies[level] = cropped(part, grid, f"body {level}, derived: before the canal")
    return dict(sorted(bodies.items()))


def _tissue(
    ct: Volume, decoded: Decoded, body: Body, canal: Canal | None, structures: Sequence[Structure], metal: Bool
) -> Codes:
    """A tissue for every voxel: HU first, then labels, bone, canal, neural tissue, skin, metal."""
    # Noise would speckle fat and muscle into each other; the point spread of the rule hides it.
    sigma = rule("tissue smoothing") / ct.grid.spacing_mm
    hu = _smoothed(ct.data, sigma, body.no_data)
    known = body.mask if body.no_data is None else body.mask & ~body.no_data
    codes = _by_hu(hu, ct.grid, known)
    # The same smoothing would draw a rim of bone around labelled bone: bone must be bright unsmoothed too.
    codes[(codes == TISSUE_OF["cancellous_bone"]) & (ct.data <= rule("hu bone"))] = TISSUE_OF["muscle"]
    codes[decoded.bone() & (codes != TISSUE_OF["air"])] = TISSUE_OF["vertebra"]
    for entry, mask, _ in decoded.structures.values():
        if entry.role not in ("sac", "canal", "disc", "metal") and entry.kind not in _LATER:
            codes[mask] = TISSUE_OF[entry.tissue]
            if entry.tissue == "bowel":
                codes[mask & (hu < rule("hu air inside"))] = TISSUE_OF["air"]
    for entry, mask, _ in decoded.structures.values():
        if entry.kind is StructureKind.bone or entry.role == "disc":
            codes[mask] = TISSUE_OF[entry.tissue]
    for vertebra in decoded.vertebrae.values():
        codes[vertebra] = TISSUE_OF["vertebra"]
    _paint_canal(codes, hu, canal, structures, ct.grid)
    for structure in structures:
        if structure.kind is StructureKind.skin:
            codes[structure.on(ct.grid) & (codes != TISSUE_OF["air"])] = TISSUE_OF["skin"]
    codes[metal] = TISSUE_OF["metal"]
    if body.no_data is not None:
        codes[body.no_data] = TISSUE_OF["soft_tissue"]
    return codes


def _smoothed(hu: NDArray[np.float32], sigma: NDArray[np.float64], no_data: Bool | None) -> NDArray[np.float32]:
    """Gaussian smoothing over the voxels that hold data."""
    from scipy import ndimage

    if no_data is None or not no_data.any():
        return np.asarray(ndimage.gaussian_filter(hu, sigma, mode="nearest"), np.float32)
    known = (~no_data).astype(np.float32)
    weight = ndimage.gaussian_filter(known, sigma, mode="nearest")
    total = ndimage.gaussian_filter(hu * known, sigma, mode="nearest")
    return np.asarray(np.where(no_data, hu, total / np.maximum(weight, 1e-3)), np.float32)


def _paint_canal(
    codes: Codes,
    hu: NDArray[np.float32],
    canal: Canal | None,
    structures: Sequence[Structure],
    grid: Grid,
) -> None:
    known = [s for s in structures if s.kind in _NEURAL]
    if canal is not None:
        fat = canal.mask & ((hu < rule("hu fat muscle")) | bool(known))
        codes[canal.mask & ~fat] = TISSUE_OF["csf"]
        codes[fat] = TISSUE_OF["fat"]
    for kind, tissue in ((_NEURAL[0], "csf"), (_NEURAL[2], "nerve"), (_NEURAL[1], "spinal_cord")):
        for structure in known:
            if structure.kind is kind:
                codes[structure.on(grid)] = TISSUE_OF[tissue]
    soft = [TISSUE_OF[name] for name in ("fat", "muscle")]
    for structure in structures:
        if structure.kind is StructureKind.root:
            inside = structure.on(grid)
            codes[inside & np.isin(codes, soft)] = TISSUE_OF["nerve"]


def _by_hu(hu: NDArray[np.float32], grid: Grid, body: Bool) -> Codes:
    """Air, fat, muscle, bone or lung by HU within the body; air around it."""
    from scipy import ndimage

    codes = np.full(hu.shape, TISSUE_OF["muscle"], np.uint8)
    codes[hu < rule("hu fat muscle")] = TISSUE_OF["fat"]
    codes[hu > rule("hu bone")] = TISSUE_OF["cancellous_bone"]
    gas = (hu < rule("hu air inside")) & body
    labels, count = ndimage.label(gas)
    if count:
        volumes = np.bincount(labels.ravel()) * grid.voxel_volume_ml
        volumes[0] = 0
        codes[gas] = TISSUE_OF["air"]
        codes[(volumes >= rule("lung volume"))[labels]] = TISSUE_OF["lung"]
    codes[~body] = TISSUE_OF["air"]
    return codes

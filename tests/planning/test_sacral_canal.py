"""The sacral canal below its label and the foramina, on a sacrum by formula.

Layout (RAS mm): a sacrum 80 mm wide and 40 mm deep (y from -20 to 20), z from -40 to 40, upright, solid but for two
round foramina of radius 6 mm at x = +-25 along z. Its canal, an oval of half axes 12 x 7 mm around y = -10, is labelled
above z = 10 only. Expected below: |x| <= 12 mm, from the laminae's surface (y = -20) 22 mm forwards, to y = 2; within
one voxel (2 mm). All of the true canal below the label is covered.
"""

from __future__ import annotations

import numpy as np

from vertherm.geometry.volume import Grid, Volume
from vertherm.imaging.orient import reoriented
from vertherm.planning.access.sacral_canal import sacral_canal, sacral_foramina

GRID = Grid.isotropic(np.array([-50.0, -30.0, -50.0]), np.array([50.0, 30.0, 50.0]), 2.0)
X, Y, Z = np.moveaxis(GRID.centres(), -1, 0)
HOLES = (np.abs(X) - 25) ** 2 + Y**2 <= 36
BLOCK = (np.abs(X) <= 40) & (np.abs(Y) <= 20) & (np.abs(Z) <= 40)
TRUE_CANAL = (X / 12) ** 2 + ((Y + 10) / 7) ** 2 <= 1
LABELLED = TRUE_CANAL & (Z > 10) & (Z < 48)
SACRUM = Volume(BLOCK & ~HOLES & ~LABELLED, GRID)
CANAL = Volume(LABELLED, GRID)


def on(mask: Volume) -> np.ndarray:
    return mask.resampled(GRID, order=0, outside=0.0).data > 0


def test_canal_below_its_label() -> None:
    found = sacral_canal(SACRUM, CANAL)
    assert found is not None
    below = on(found)
    assert not below[Z > 10].any(), "where the label is, nothing is added"
    assert below[TRUE_CANAL & BLOCK & (Z <= 10)].all()
    places = np.argwhere(below)
    low, high = GRID.world(places.min(axis=0)) - 1.0, GRID.world(places.max(axis=0)) + 1.0
    np.testing.assert_allclose(low, [-12.0, -20.0, -40.0], atol=2.0)
    np.testing.assert_allclose(high, [12.0, 2.0, 10.0], atol=2.0)


def test_a_crest_and_an_open_arch_change_little() -> None:
    """A median crest of 8 mm behind, and one slice without laminae: the surface stays that of the laminae around."""
    crest = (np.abs(X) <= 3) & (Y > -28) & (Y <= -20) & (np.abs(Z) <= 40)
    arch_open = (np.abs(X) <= 12) & (Y < 0) & (np.abs(Z + 15) <= 1.0)
    changed = Volume((SACRUM.data | crest) & ~arch_open, GRID)
    plain, found = sacral_canal(SACRUM, CANAL), sacral_canal(changed, CANAL)
    assert plain is not None
    assert found is not None
    np.testing.assert_array_equal(on(found), on(plain))


def test_no_label_at_all_and_a_whole_label() -> None:
    whole = Volume(TRUE_CANAL & (np.abs(Z) < 48), GRID)
    assert sacral_canal(Volume(BLOCK & ~whole.data, GRID), whole) is None
    found = sacral_canal(Volume(BLOCK, GRID), None)
    assert found is not None
    assert on(found)[TRUE_CANAL & BLOCK].all()


def test_foramina_are_the_holes() -> None:
    found = sacral_foramina(SACRUM, CANAL)
    assert found is not None
    np.testing.assert_array_equal(on(found), HOLES & BLOCK)
    assert sacral_foramina(Volume(BLOCK, GRID), None) is None


def test_storage_order_does_not_matter() -> None:
    turned = sacral_canal(reoriented(SACRUM, "PIL"), reoriented(CANAL, "LSP"))
    plain = sacral_canal(SACRUM, CANAL)
    assert turned is not None
    assert plain is not None
    np.testing.assert_array_equal(turned.data, plain.data)
    np.testing.assert_allclose(turned.grid.affine, plain.grid.affine, atol=1e-9)

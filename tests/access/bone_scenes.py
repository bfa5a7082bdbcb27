"""Scenes with the bone of the torso phantom, for tests of what needles do in bone."""

from __future__ import annotations

from typing import Any

import numpy as np

from vertherm.access.scene import AccessScene
from vertherm.access.vertebra import vertebra_frame
from vertherm.clinical.levels import Level
from vertherm.geometry.volume import Volume
from vertherm.imaging.anatomy import Anatomy
from vertherm.imaging.phantom import torso_phantom


def phantom_scene(level: str = "L3", lesion: Volume | None = None, **arguments: Any) -> AccessScene:
    """Bone, body and frame of a phantom vertebra; no obstacles."""
    anatomy = torso_phantom(level, **{"spacing_mm": 1.0, **arguments})
    return scene_of(anatomy, Level(level), lesion)


def scene_of(anatomy: Anatomy, level: Level, lesion: Volume | None = None) -> AccessScene:
    bodies = anatomy.bodies or {}
    frame = vertebra_frame(
        bodies[level], anatomy.structure("canal").mask, [b for other, b in bodies.items() if other is not level]
    )
    target = anatomy.lesions["target"] if lesion is None else lesion
    return AccessScene(
        target="target",
        level=level,
        lesion=target,
        goal=target,
        body=anatomy.ct.with_data(np.ones(anatomy.ct.grid.shape, bool)),
        skin_in_image=True,
        solids=(),
        bone=anatomy.vertebrae[level],
        vertebral_body=bodies[level],
        ilium=None,
        frame=frame,
    )


def ball(anatomy: Anatomy, centre: tuple[float, float, float], radius: float) -> Volume:
    """A ball on the CT's grid."""
    distance = np.linalg.norm(anatomy.ct.grid.centres() - np.array(centre), axis=-1)
    return anatomy.ct.with_data(distance <= radius, "ball")

from __future__ import annotations

import pytest

from vertherm.applicator.antenna import load_antenna
from vertherm.applicator.axisymmetric import AxisymmetricModel, AxisymmetricSolution
from vertherm.applicator.medium import Homogeneous


@pytest.fixture(scope="session")
def choke_model() -> AxisymmetricModel:
    return AxisymmetricModel(load_antenna("tosoratti_mini_choke"), 2.45e9)


@pytest.fixture(scope="session")
def choke_in_bone(choke_model: AxisymmetricModel) -> AxisymmetricSolution:
    return choke_model.solve(Homogeneous(18.55, 0.805))

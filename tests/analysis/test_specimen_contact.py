from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

from cemvis.analysis.specimen.recipes import CALIBRATED, RECIPES
from cemvis.kernels.specimen import Phase, Window, contact_volumes, phase_plane

PASTE = replace(RECIPES[CALIBRATED].paste, seed=9)


def test_a_contact_leans_in_no_direction() -> None:
    """Clinker felt agrees best with the clinker seen right below, and as well to the left as to the right."""
    x, y = np.meshgrid(10 + 4.0 * np.arange(50), 10 + 4.0 * np.arange(50))
    felt = contact_volumes(PASTE, np.stack([x.ravel(), y.ravel()], axis=1), radius_um=2.3)
    clinker = felt.share[:, Phase.ALITE :].sum(axis=1)
    plane = phase_plane(PASTE, Window(0, 0, 450, 450), pixel_size_um=0.5)
    seen = gaussian_filter((plane >= Phase.ALITE).astype(float), 1.5 / 0.5)

    def agreement(dx: float, dy: float) -> float:
        at = map_coordinates(seen, [(y.ravel() + dy) / 0.5, (x.ravel() + dx) / 0.5], order=1)
        return float(np.corrcoef(at, clinker)[0, 1])

    centre = agreement(0, 0)
    left, right, up, down = agreement(-1, 0), agreement(1, 0), agreement(0, -1), agreement(0, 1)
    assert centre > max(left, right, up, down)
    assert abs(left - right) < 0.02
    assert abs(up - down) < 0.02

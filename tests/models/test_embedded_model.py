from __future__ import annotations

import numpy as np

from cemvis.models import embedded_model


def test_the_embedded_model_predicts_both_properties_and_says_what_it_is_for() -> None:
    model = embedded_model()
    assert [one.name for one in model.properties] == ["modulus", "hardness"]
    assert [one.network for one in model.properties] == ["table", "table"]
    assert "virtual" in model.note
    assert "your own" in model.note
    greys = np.linspace(model.grey_scale.matrix, model.grey_scale.clinker, 50)
    for one in model.properties:
        found = one.predict(greys)
        assert one.interval.stretch is not None
        assert np.isfinite(found.half_width).all()
        assert found.value[-1] > 2 * found.value[0]


def test_the_embedded_model_is_as_good_as_its_card_says_it_should_be() -> None:
    for one in embedded_model().properties:
        assert 0.6 < one.metrics.by_batch.test.r2 < 0.95
        held = one.metrics.by_batch.intervals
        assert held is not None
        assert held.coverage >= one.interval.level - 0.05

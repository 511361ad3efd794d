from __future__ import annotations

import importlib.resources

import numpy as np

from cemvis.analysis.specimen.area import BATCH, PITCH_UM, Area
from cemvis.analysis.specimen.recipes import CALIBRATED, recipe_named
from cemvis.images.grey_scale import measure_anchors, transform_to
from cemvis.images.micrograph import Micrograph
from cemvis.kernels.specimen import Window
from cemvis.models import embedded_model, save_model
from cemvis.models.model_file import EMBEDDED


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


def test_a_file_of_the_first_format_is_read_and_written_as_it_was(tmp_path) -> None:
    resource = importlib.resources.files("cemvis").joinpath("data", EMBEDDED["table"])
    path = tmp_path / "again.safetensors"
    save_model(path, embedded_model("table"))
    assert path.read_bytes() == resource.read_bytes()
    assert b'\\"format_version\\": 1' in path.read_bytes()


def test_the_embedded_model_is_as_good_as_its_card_says_it_should_be() -> None:
    for one in embedded_model().properties:
        assert 0.6 < one.metrics.by_batch.test.r2 < 0.95
        held = one.metrics.by_batch.intervals
        assert held is not None
        assert held.coverage >= one.interval.level - 0.05


def test_the_embedded_model_predicts_paste_that_nobody_trained_on() -> None:
    model = embedded_model()
    area = Area(recipe_named(CALIBRATED), seed=77, batches=1, pixel_size_um=0.4)
    image = area.image(Window(0, 0, area.edge_px, area.edge_px))
    # Windows are as wide as indents are apart, so that they are the cells of a grid.
    assert model.window_um == PITCH_UM
    edge = area.edge_px // BATCH
    mean_grey = image.reshape(BATCH, edge, BATCH, edge).mean(axis=(1, 3)).reshape(-1)
    anchors = measure_anchors(Micrograph.from_array(image, pixel_size=None))
    assert anchors.reliable
    mean_grey = transform_to(model.grey_scale, anchors).apply(mean_grey)
    indents = area.indent()
    for one, measured in zip(model.properties, (indents.modulus_gpa, indents.hardness_gpa), strict=True):
        found, truth = one.predict(mean_grey[~indents.failed]), measured[~indents.failed]
        assert 0.5 < 1 - np.mean((found.value - truth) ** 2) / np.var(truth) < 0.95
        held = (found.lower <= truth) & (truth <= found.upper)
        assert held.mean() > 0.8

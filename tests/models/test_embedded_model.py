from __future__ import annotations

import importlib.resources

import numpy as np

from cemvis.analysis.specimen.area import BATCH, PITCH_UM, Area
from cemvis.analysis.specimen.recipes import CALIBRATED, recipe_named
from cemvis.images.grey_scale import measure_anchors, transform_to
from cemvis.images.micrograph import Micrograph
from cemvis.kernels.specimen import Window
from cemvis.kernels.tiling import gather_windows
from cemvis.models import embedded_model, save_model
from cemvis.models.model_file import EMBEDDED


def test_the_embedded_table_predicts_both_properties_and_says_what_it_is_for() -> None:
    model = embedded_model("table")
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


def test_the_embedded_table_is_as_good_as_its_card_says_it_should_be() -> None:
    for one in embedded_model("table").properties:
        assert 0.6 < one.metrics.by_batch.test.r2 < 0.95
        held = one.metrics.by_batch.intervals
        assert held is not None
        assert held.coverage >= one.interval.level - 0.05


def test_the_embedded_table_predicts_paste_that_nobody_trained_on() -> None:
    model = embedded_model("table")
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


def test_the_embedded_network_is_small_and_far_better_than_the_table() -> None:
    resource = importlib.resources.files("cemvis").joinpath("data", EMBEDDED["resnet"])
    assert len(resource.read_bytes()) < 8e6
    model = embedded_model("resnet")
    network = model.window_network
    assert network is not None
    assert (network.precision, network.layout.padding, network.targets) == ("float16", "none", ("modulus", "hardness"))
    assert network.layout.window_px * model.pixel_size_um < model.window_um  # so that no cell needs its surroundings
    assert model.training.batches >= 40
    assert "virtual" in model.note
    assert "your own" in model.note
    for one, table in zip(model.properties, embedded_model("table").properties, strict=True):
        assert one.metrics.by_batch.test.r2 > table.metrics.by_batch.test.r2 + 0.04
        held = one.metrics.by_batch.intervals
        assert held is not None
        assert held.coverage >= one.interval.level


def test_the_embedded_network_predicts_paste_that_nobody_trained_on() -> None:
    model = embedded_model("resnet")
    network = model.window_network
    area = Area(recipe_named(CALIBRATED), seed=77, batches=1, pixel_size_um=0.08)
    image = area.image(Window(0, 0, area.edge_px, area.edge_px))
    fit = measure_anchors(Micrograph.from_array(image, pixel_size=None))
    assert fit.reliable
    to = transform_to(model.grey_scale, fit)
    grey_mean, grey_sd = (network.grey_mean - to.offset) / to.gain, network.grey_sd / to.gain
    # A sample of the network is a pixel here: two by two of those that it was trained on.
    edge = network.layout.window
    centres = area.indents_xy_um()[:, ::-1] / area.pixel_size_um
    inside = np.all((centres > edge / 2) & (centres < area.edge_px - 1 - edge / 2), axis=1)
    windows = gather_windows(image, np.rint(centres[inside]), window_px=edge, grey_mean=grey_mean, grey_sd=grey_sd)
    found = model.predict_outputs(network.predictor().windows(windows), np.zeros(inside.sum(), np.uint8))
    indents = area.indent()
    sound = ~indents.failed[inside]
    for name, measured in (("modulus", indents.modulus_gpa[inside]), ("hardness", indents.hardness_gpa[inside])):
        value, truth = found[name].value[sound], measured[sound]
        assert 1 - np.mean((value - truth) ** 2) / np.var(truth) > 0.88
        assert np.mean((found[name].lower[sound] <= truth) & (truth <= found[name].upper[sound])) > 0.9

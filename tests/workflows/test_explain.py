from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

import cemvis
from cemvis.analysis.relevance import characteristic_regions, isodata_threshold
from cemvis.errors import (
    FileAccessError,
    GreyScaleWarning,
    InputError,
    OutputExistsError,
    PixelSizeError,
    PixelSizeWarning,
)
from cemvis.images.grey_scale import GreyScale
from cemvis.images.ome_tiff import read_description
from cemvis.images.pixel_size import PixelSize
from cemvis.models.explain import deep_taylor
from cemvis.models.map_classifier_file import save_class_model
from cemvis.models.model_file import save_model
from cemvis.models.resnet_layout import ResNetLayout
from cemvis.workflows._explain_result import spread_over
from cemvis.workflows._explain_run import half_distance_px, rank_correlation
from cemvis.workflows._npm_maps import read_map_set
from cemvis.workflows.explain import ExplainConfig, Place, explain_images
from class_models import learner_class_model, pore_class_model
from explained import one_thread  # noqa: F401 - a fixture
from networks import model_around, random_window_network
from npm_maps import texture, write_classes, write_map

SAMPLE = Path(cemvis.__file__).parent / "data" / "sample.tif"
CLASSES = ("plain", "graphene")
QUICK = ExplainConfig(
    score="contrast", compare=3, fractions=(0.0, 0.1, 0.5, 1.0), steps=4, figures=0, batch=3, blur_px=3.0, block_px=4
)
# With random weights relevance is like that of random weights.
pytestmark = pytest.mark.filterwarnings("ignore::cemvis.errors.CemvisWarning")


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    lengths = {"plain": 1.0, "graphene": 3.0}
    return write_classes(tmp_path_factory.mktemp("maps"), lengths, specimens=2, regions=1, shape=(64, 40))


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("model") / "classes.safetensors"
    save_class_model(path, pore_class_model(CLASSES))
    return path


@pytest.fixture(scope="module")
def found(root, model, tmp_path_factory):
    output = tmp_path_factory.mktemp("out") / "explained"
    config = replace(QUICK, figures=1)
    return explain_images([root], model, output, config, command="cemvis explain ..."), output


def test_every_map_is_explained_as_the_decomposition_says(found, root) -> None:
    result, output = found
    frame = pd.read_csv(output / "maps.csv")
    assert len(frame) == len(result.images) == 2 * 2 * 2
    assert frame["explained"].all()
    assert frame["conservation_error"].max() < 1e-10
    network = pore_class_model(CLASSES).pore_network()
    for _, row in frame.iterrows():
        [source] = root.glob(f"{row['class']}/{row['specimen']}/{row['region']}.tif")
        cut = tifffile.imread(source)[row["row_px"] : row["row_px"] + 32, row["column_px"] : row["column_px"] + 32]
        wanted = deep_taylor(network, cut[None] / 255.0, score="contrast")
        relevance = tifffile.imread(output / "relevance" / f"{row['name']}.tif")
        assert relevance.dtype == np.float32
        np.testing.assert_allclose(relevance, wanted.relevance[0], rtol=1e-6, atol=1e-9)
        assert row["score"] == pytest.approx(wanted.score[0])
        assert row["absorbed_share"] == pytest.approx(wanted.absorbed_share[0], abs=1e-8)
        regions = tifffile.imread(output / "regions" / f"{row['name']}.tif") > 0
        assert np.array_equal(regions, characteristic_regions(wanted.relevance[0]))
        assert row["region_area"] == pytest.approx(regions.mean())
        assert row["threshold_level"] == isodata_threshold(cut)
        assert row["low_porosity_area"] == pytest.approx((cut <= row["threshold_level"]).mean())
        assert row["predicted"] == CLASSES[int(np.argmax(wanted.outputs[0]))] == row["explained_output"]


def test_the_summary_says_all(found) -> None:
    result, output = found
    summary = json.loads((output / "explain.json").read_text(encoding="utf-8"))
    assert summary["command"] == "cemvis explain ..."
    assert summary["cemvis"] == cemvis.__version__
    assert summary["pixel_size_um"] == pytest.approx(0.052)
    assert summary["images"] == summary["explained"] == 8
    assert summary["largest_conservation_error"] < 1e-10
    assert len(summary["origin"]["model"]["sha256"]) == len(summary["origin"]["maps"]["sha256"]) == 64
    assert {each["method"] for each in summary["comparison"]["methods"]} >= {"deep Taylor", "random order", "Grad-CAM"}
    assert set(summary["files"]) == {path.relative_to(output).as_posix() for path in result.files[1:]}
    there = {path.relative_to(output).as_posix() for path in output.rglob("*") if path.is_file()}
    assert there == {"explain.json", *summary["files"]}
    assert "class and specimen coincide" in summary["notes"]
    assert list(summary["centre_bias"]) == ["graphene", "plain", "random weights"]
    assert summary["origin"]["maps"]["seen_in_training"] == {"maps": 0, "regions": 0}
    assert any("compared on fewer than" in note for note in summary["notes"])
    assert any(note.startswith("boundary features are") for note in summary["notes"])  # 32 px, not 384


def test_means_are_of_each_class_and_say_of_how_many_maps(found) -> None:
    result, output = found
    frame = pd.read_csv(output / "maps.csv")
    for name, rows in frame.groupby("class"):
        maps = [tifffile.imread(output / "relevance" / f"{row}.tif").astype(float) for row in rows["name"]]
        path = output / "mean" / f"{name}.tif"
        np.testing.assert_allclose(tifffile.imread(path), np.mean([each / each.sum() for each in maps], 0), rtol=1e-4)
        assert f'{{"maps": 4, "of": "{name}"}}' in read_description(path)
    assert len(result.images) == 8


def test_maps_that_the_classifier_was_trained_on_are_told(root, tmp_path) -> None:
    maps = read_map_set([root], size_px=32)
    [known] = {place.region for place in maps.places if place.specimen == "s0"}
    chosen = [image for image, place in zip(maps.images(), maps.places, strict=True) if place.specimen == "s0"]
    digests = tuple(maps.image_digests[image][:16] for image in sorted(set(chosen)))
    trained = pore_class_model(CLASSES)
    model = tmp_path / "seen.safetensors"
    save_class_model(model, replace(trained, training=replace(trained.training, seen=digests)))
    settings = replace(QUICK, compare=0)
    result = explain_images([root], model, tmp_path / "out", settings)
    [note] = [each for each in result.notes if "by heart" in each]
    assert "trained or validated on 2 of these 4 regions, 4 of the 8 maps" in note
    summary = json.loads((tmp_path / "out" / "explain.json").read_text(encoding="utf-8"))
    assert note in summary["notes"]
    assert summary["origin"]["maps"]["seen_in_training"] == {"maps": 4, "regions": 2}
    assert summary["origin"]["maps"]["explained"] == {"maps": 8, "regions": 4}
    frame = pd.read_csv(tmp_path / "out" / "maps.csv")
    assert frame["seen"].tolist() == (frame["specimen"] == "s0").tolist()
    # Files of no known class are known by their pixels as well.
    single = explain_images([root / "plain" / "s0" / f"{known}.tif"], model, tmp_path / "one", settings)
    assert all(each.picture.seen for each in single.images)


def test_tables_of_the_comparison_agree(found) -> None:
    result, output = found
    curves, faithful = pd.read_csv(output / "curves.csv"), pd.read_csv(output / "faithfulness.csv")
    assert len(curves) == 6 * 3 * 4
    assert len(result.comparison.chosen) == 3
    scores = curves[curves["method"] == "random order"].pivot(index="name", columns="fraction", values="deletion")
    apart = (scores[0.0] - scores[1.0]).abs().mean()
    for _, row in faithful.iterrows():
        mean = curves[curves["method"] == row["method"]].groupby("fraction")[["deletion", "insertion"]].mean()
        areas = np.trapezoid(mean, mean.index, axis=0)
        assert areas == pytest.approx([row["deletion"], row["insertion"]], rel=1e-6)
        gap = (areas[1] - areas[0]) / apart
        assert row["faithfulness"] == pytest.approx(gap, rel=1e-5)
    whole = curves[curves["fraction"] == 0.0].groupby("name")["deletion"]
    assert (whole.max() - whole.min()).max() < 1e-6


def test_the_same_seed_gives_the_same_files(found, root, model, tmp_path) -> None:
    _, output = found
    again = tmp_path / "again"
    explain_images([root], model, again, replace(QUICK, batch=4, compare=0), command="cemvis explain ...")
    for name in ("maps.csv", "layers.csv"):
        one, other = (pd.read_csv(folder / name) for folder in (output, again))
        pd.testing.assert_frame_equal(one, other, rtol=1e-5, atol=1e-7)
    repeated = tmp_path / "repeated"
    explain_images([root], model, repeated, replace(QUICK, figures=1), command="cemvis explain ...")
    for path in sorted(output.rglob("*.*")):
        if path.suffix in (".csv", ".json", ".tif", ".png"):
            assert path.read_bytes() == (repeated / path.relative_to(output)).read_bytes(), path


def test_files_of_no_known_class(model, tmp_path) -> None:
    paths = [write_map(tmp_path / f"m{seed}.tif", texture(2.0, (40, 70), seed)) for seed in range(2)]
    result = explain_images(paths, model, tmp_path / "out", replace(QUICK, compare=0, method="grad-cam"))
    assert len(result.images) == 4
    assert result.comparison is None
    assert {each.picture.class_name for each in result.images} == {""}
    assert not list((tmp_path / "out" / "figures").iterdir())
    assert set(result.centre) == {"all", "random weights"}
    assert np.isnan([each.conservation_error for each in result.images]).all()


def test_whose_score_and_how_many_maps(root, model, tmp_path) -> None:
    settings = replace(QUICK, compare=0, most=1)
    own = explain_images([root], model, tmp_path / "own", replace(settings, asked="own"))
    assert [each.picture.class_name for each in own.images] == sorted(CLASSES)
    assert [CLASSES[each.target] for each in own.images] == sorted(CLASSES)
    one = explain_images([root], model, tmp_path / "one", replace(settings, asked="plain"))
    assert [each.target for each in one.images] == [0, 0]
    unexplained = [each for each in (*own.images, *one.images) if not each.explained]
    assert unexplained  # of two classes a contrast is positive for one alone
    assert all(each.shares.area == 0 and each.score <= 0 for each in unexplained)
    assert any("scores are 0 or less" in note for note in one.notes)
    compared = explain_images([root], model, tmp_path / "compared", replace(QUICK, asked="own", compare=8))
    positive = [index for index, each in enumerate(compared.images) if each.score > 0]
    assert 0 < len(positive) < 8
    assert list(compared.comparison.chosen) == positive
    assert f"methods are compared on images of a positive score: {len(positive)} of 8" in compared.notes
    none = explain_images([root], model, tmp_path / "none", replace(QUICK, asked="plain", most=1))
    assert none.comparison is None
    assert "methods are compared on images of a positive score: 0 of 2" in none.notes
    with pytest.raises(InputError, match="class 'clay' is none of the model's"):
        explain_images([root], model, tmp_path / "clay", replace(settings, asked="clay"))


def test_micf_maps_are_what_a_micf_model_reads(root, tmp_path) -> None:
    path = tmp_path / "micf.safetensors"
    save_class_model(path, replace(pore_class_model(CLASSES), features="micf", sigma_px=4.0))
    result = explain_images([root], path, tmp_path / "out", replace(QUICK, compare=0, most=1))
    from scipy.ndimage import gaussian_filter

    whole = tifffile.imread(result.images[0].picture.source).astype(float)
    cut = np.rint(gaussian_filter(whole, 4.0, mode="nearest"))[:32, :32].astype(np.uint8)
    wanted = deep_taylor(pore_class_model(CLASSES).pore_network(), cut[None] / 255.0, score="contrast")
    assert result.images[0].score == pytest.approx(wanted.score[0])


def test_an_earlier_run_is_replaced_only_when_asked(root, model, tmp_path) -> None:
    settings = replace(QUICK, compare=0)
    output = tmp_path / "out"
    explain_images([root], model, output, settings)
    (output / "relevance" / "mine.txt").write_text("kept", encoding="utf-8")
    with pytest.raises(OutputExistsError, match="--overwrite"):
        explain_images([root], model, output, settings)
    explain_images([root], model, output, replace(settings, most=1), overwrite=True)
    assert len(list((output / "relevance").glob("*.tif"))) == 2
    assert (output / "relevance" / "mine.txt").is_file()
    before = {path: path.read_bytes() for path in output.rglob("*.*") if path.is_file()}
    with pytest.raises(InputError, match="no layer 'nonsense'"):
        explain_images([root], model, output, replace(QUICK, layer="nonsense"), overwrite=True)
    assert {path: path.read_bytes() for path in output.rglob("*.*") if path.is_file()} == before


def test_what_a_run_that_was_stopped_left_is_replaced(root, model, tmp_path) -> None:
    settings = replace(QUICK, compare=0)
    output = tmp_path / "out"

    def stop(stage: str, done: int, steps: int) -> None:  # noqa: ARG001
        if done == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        explain_images([root], model, output, settings, progress=stop)
    (output / "curves.csv").write_text("of another run", encoding="utf-8")
    assert len(list((output / "relevance").glob("*.tif"))) == 6
    with pytest.raises(OutputExistsError):
        explain_images([root], model, output, settings)
    result = explain_images([root], model, output, replace(settings, most=1), overwrite=True)
    assert {path for path in output.rglob("*") if path.is_file()} == set(result.files)


def test_bad_input_is_refused(root, model, tmp_path) -> None:
    output, settings = tmp_path / "out", replace(QUICK, compare=0)
    knn, table = tmp_path / "knn.safetensors", SAMPLE.with_name("virtual_paste_table.safetensors")
    save_class_model(knn, learner_class_model())
    with pytest.raises(InputError, match="wanted a pore-network"):
        explain_images([root], knn, output, settings)
    with pytest.raises(InputError, match="give maps without places"):
        explain_images([root], model, output, replace(settings, places=(Place(1, 1),)))
    with pytest.raises(PixelSizeError, match="trained at 52 nm/px"):
        explain_images([root], model, output, replace(settings, pixel_size=PixelSize(0.04, "option")))
    with pytest.raises(InputError, match="smaller than a map of 32 x 32"):
        explain_images([write_map(tmp_path / "s.tif", texture(1.0, (20, 20), 0))], model, output, settings)
    with pytest.raises(FileAccessError):
        explain_images([tmp_path / "nowhere"], model, output, settings)
    with pytest.raises(InputError, match="mean grey levels, every pixel alike"):
        explain_images([SAMPLE], table, output, replace(settings, places=(Place(60, 50),)))
    assert not output.exists()


@pytest.mark.parametrize(
    "more",
    [
        {"method": "lime"},
        {"share": 1.0},
        {"compare": -1},
        {"most": 0},
        {"boundary_per_px": 0},
        {"batch": 0},
        {"steps": 10_001},
        {"blur_px": 0.0},
        {"fractions": (0.0, 0.5)},
        {"fractions": (0.0, float("nan"), 1.0)},
        {"baseline": "white"},
        {"precision": "float16"},
        {"score": "probability"},
    ],
)
def test_bad_settings_are_refused(more: dict) -> None:
    with pytest.raises(InputError, match="wanted"):
        ExplainConfig(**more)


def test_where_in_the_window_the_embedded_networks_modulus_came_from(tmp_path) -> None:
    settings = replace(QUICK, places=(Place(60, 50), Place(30, 80)), compare=0)
    result = explain_images([SAMPLE], "resnet", tmp_path / "out", settings)
    assert all(each.explained and each.conservation_error < 1e-10 for each in result.images)
    frame = pd.read_csv(tmp_path / "out" / "maps.csv")
    assert frame["explained_output"].tolist() == ["modulus", "modulus"]
    network = cemvis.models.embedded_model("resnet").window_network
    away = np.abs(network.target_sd_gpa[0] * frame["output_modulus"])
    np.testing.assert_allclose(frame["score"], away, rtol=1e-6)
    summary = json.loads((tmp_path / "out" / "explain.json").read_text(encoding="utf-8"))
    assert summary["units"]["score"] == "GPa"
    assert summary["pixel_size_um"] == pytest.approx(0.08)  # a sample is two pixels
    assert summary["origin"]["mosaic"]["file"] == "sample.tif"
    # The value of a cell comes from its middle; the network reads 8.7 um and pools nothing.
    assert frame["half_relevance_um"].max() < 1.5


def test_the_value_of_a_window_is_what_cemvis_map_says(tmp_path) -> None:
    network = random_window_network(ResNetLayout(targets=2, window=20, downsample=2))
    path = tmp_path / "resnet.safetensors"
    save_model(path, model_around(network))
    mosaic = write_map(tmp_path / "mosaic.tif", texture(2.0, (60, 80), 1), pixel_size_um=0.05)
    settings = replace(QUICK, compare=0, anchors="none", score="logit", asked="hardness")
    result = explain_images([mosaic], path, tmp_path / "out", replace(settings, places=(Place(30.5, 24.5, "px"),)))
    grey = tifffile.imread(mosaic)[5:45, 11:51].astype(float).reshape(20, 2, 20, 2).mean(axis=(1, 3))
    standard = ((grey - network.grey_mean) / network.grey_sd).astype(np.float32)[None]
    wanted = network.predictor(backend="torch").windows(standard).value_gpa[0, 1]
    [found] = result.images
    assert found.score == pytest.approx(wanted, rel=1e-5)
    assert (found.picture.row_px, found.picture.column_px) == (5, 11)
    with pytest.raises(InputError, match=r"wanted x from 0\.975 to 2\.975 um and y"):
        explain_images([mosaic], path, tmp_path / "other", replace(settings, places=(Place(0.1, 1.0),)))
    with pytest.raises(InputError, match="not a property of the model"):
        explain_images([mosaic], path, tmp_path / "other", replace(settings, asked="porosity", places=(Place(1, 1),)))
    with pytest.raises(InputError, match="wanted one mosaic and at least one place"):
        explain_images([mosaic], path, tmp_path / "other", settings)


def test_an_uncertain_grey_scale_is_told(tmp_path) -> None:
    path = tmp_path / "resnet.safetensors"
    save_model(path, model_around(random_window_network(ResNetLayout(targets=2, window=20, downsample=2))))
    rng = np.random.default_rng(0)
    grey = np.where(rng.random((120, 120)) < 0.1, 180, 90) + rng.normal(0, 6, (120, 120))
    grey[:, :12] = 255  # saturated
    mosaic = write_map(tmp_path / "mosaic.tif", np.rint(np.clip(grey, 0, 255)).astype(np.uint8), pixel_size_um=0.05)
    settings = replace(QUICK, compare=0, places=(Place(60, 60, "px"),))
    with pytest.warns(GreyScaleWarning, match="the grey scale is uncertain"):
        result = explain_images([mosaic], path, tmp_path / "out", settings)
    assert any("saturated" in note for note in result.notes)
    wrong = replace(settings, pixel_size=PixelSize(0.025, "option"), anchors="none")
    with pytest.warns(PixelSizeWarning, match="25 nm/px"):
        result = explain_images([mosaic], path, tmp_path / "wrong", wrong)
    assert any("25 nm/px" in note for note in result.notes)
    assert "grey levels are used as they are, as was asked for" in result.notes


def test_twelve_bits_in_sixteen_are_explained_as_eight(tmp_path) -> None:
    path = tmp_path / "resnet.safetensors"
    save_model(path, model_around(random_window_network(ResNetLayout(targets=2, window=20, downsample=2))))
    grey = texture(2.0, (60, 80), 1)
    found = []
    for name, levels, matrix, clinker in (("8", grey, 90, 180), ("12", grey.astype(np.uint16) * 16, 1440, 2880)):
        mosaic = tmp_path / f"{name}.tif"
        tifffile.imwrite(mosaic, levels)
        settings = replace(
            QUICK,
            compare=0,
            anchors=GreyScale(matrix, clinker),
            pixel_size=PixelSize(0.05, "option"),
            places=(Place(30.5, 24.5, "px"),),
        )
        found.append(explain_images([mosaic], path, tmp_path / name, settings))
    [eight], [twelve] = (each.images for each in found)
    assert abs(eight.shares.threshold - twelve.shares.threshold) <= 1
    assert twelve.score == pytest.approx(eight.score, rel=1e-4)
    relevance = [tifffile.imread(next((tmp_path / name / "relevance").iterdir())) for name in ("8", "12")]
    np.testing.assert_allclose(relevance[0], relevance[1], atol=0.02 * relevance[0].max())
    assert any("the windows use 12 of 16 bits" in note for note in found[1].notes)
    assert not any("bits" in note for note in found[0].notes)


@pytest.mark.parametrize("text", ["1", "1,2,3", "a,b", "1px,2", "nan,1", "1,inf", ""])
def test_places_that_are_none(text: str) -> None:
    with pytest.raises(InputError, match="is not a place"):
        Place.parse(text)


def test_places() -> None:
    assert Place.parse("60.5,40") == Place.parse("60.5um, 40um") == Place(60.5, 40.0)
    assert Place.parse("6,4").pixels(0.05) == pytest.approx((120, 80))
    assert Place.parse("6px,4px").pixels(0.05) == (6, 4)


def test_spread_distance_and_correlation() -> None:
    assert spread_over(10, 4).tolist() == [0, 2, 5, 7]
    assert spread_over(2, 5).tolist() == [0, 1]
    assert spread_over(3, 0).tolist() == []
    ring = np.zeros((21, 21))
    ring[10, 3] = ring[10, 15] = 1.0
    assert half_distance_px(ring) == 5
    assert np.isnan(half_distance_px(np.zeros((3, 3))))
    one = np.random.default_rng(0).random((8, 8))
    assert rank_correlation(one, one**3) == pytest.approx(1)
    assert rank_correlation(one, -one) == pytest.approx(-1)
    assert np.isnan(rank_correlation(one, np.ones((8, 8))))

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from cemvis.errors import FileAccessError, FileFormatError, InputError, PixelSizeError
from cemvis.images.micrograph import open_micrograph
from cemvis.workflows._npm_maps import MapPlace, natural_key, read_map_set, read_maps
from npm_maps import texture, write_classes, write_map

LENGTHS = {"part10": 1.0, "part2": 2.0}


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    return write_classes(tmp_path_factory.mktemp("maps"), LENGTHS, specimens=2, regions=2, shape=(70, 104))


def test_maps_are_cut_from_regions_in_natural_order(root) -> None:
    found = read_map_set([root], size_px=32)
    assert found.classes == ("part2", "part10")
    assert len(found) == len(found.places) == 2 * 2 * 2 * 6
    first = found.places[0]
    assert (first.class_name, first.specimen, first.region) == ("part2", "s0", "r0")
    assert [(each.row_px, each.column_px) for each in found.places[:7]] == [
        *((0, 0), (0, 32), (0, 64)),
        *((32, 0), (32, 32), (32, 64)),
        (0, 0),
    ]
    assert found.pixel_size_um == pytest.approx(0.052)
    assert found.labels().tolist() == 24 * [0] + 24 * [1]
    assert found.regions().tolist() == [number for number in range(8) for _ in range(6)]
    assert found.specimens().tolist() == [number for number in range(4) for _ in range(12)]
    assert any("left over" in note for note in found.notes)


def test_levels_are_those_of_the_files(root) -> None:
    found = read_map_set([root], size_px=32)
    levels = found.levels([5, 0, 47])
    assert levels.shape == (3, 32, 32)
    assert levels.dtype == np.uint8
    for index, one in zip([5, 0, 47], levels, strict=True):
        place = found.places[index]
        with open_micrograph(place.path) as image:
            assert np.array_equal(one, image.read(place.row_px, place.column_px, 32, 32))
    assert found.levels([]).shape == (0, 32, 32)


@pytest.mark.parametrize("sigma", [0.8, 3.0, 10.0])
def test_micf_is_cut_from_the_whole_regions_filtered_image(root, sigma) -> None:
    found = read_map_set([root], size_px=32)
    levels = found.levels(range(6), sigma_px=sigma)
    with open_micrograph(found.places[0].path) as image:
        whole = image.read(0, 0, *image.shape)
    smooth = np.rint(gaussian_filter(whole.astype(np.float64), sigma, mode="nearest")).astype(np.uint8)
    assert len(np.unique(smooth)) > 3
    for one, place in zip(levels, found.places[:6], strict=True):
        assert np.array_equal(one, smooth[place.row_px :][:32, place.column_px :][:, :32])


def test_a_small_map_of_a_large_image_sees_beyond_its_edges(tmp_path) -> None:
    write_map(tmp_path / "a" / "r.tif", texture(2.0, (300, 260), 3))
    found = read_map_set([tmp_path], size_px=64)
    with open_micrograph(found.places[0].path) as image:
        whole = image.read(0, 0, *image.shape).astype(np.float64)
    smooth = np.rint(gaussian_filter(whole, 10.0, mode="nearest")).astype(np.uint8)
    levels = found.levels(range(len(found)), sigma_px=10.0)
    assert len(levels) == 16
    for one, place in zip(levels, found.places, strict=True):
        assert np.array_equal(one, smooth[place.row_px :][:64, place.column_px :][:, :64])


def test_what_lies_beside_maps_is_passed_over(tmp_path) -> None:
    levels = texture(1.0, (32, 32), 1)
    write_map(tmp_path / "a" / "s" / "r.mulf.tif", levels)
    for name in ("r.micf", "r.clinker", "r.modified", "r.truth", "r.bse", "r.bse.ome"):
        write_map(tmp_path / "a" / "s" / f"{name}.tif", levels)
    for folder in (".hidden", "_rest"):
        write_map(tmp_path / "a" / folder / "r.tif", levels)
        write_map(tmp_path / folder / "s" / "r.tif", levels)
    (tmp_path / "a" / "s" / "notes.txt").write_text("none")
    (tmp_path / "specimen.json").write_text("{}")
    found = read_map_set([tmp_path], size_px=32)
    assert found.places == (MapPlace(tmp_path / "a" / "s" / "r.mulf.tif", "a", "s", "r", 0, 0),)


def test_without_a_folder_a_specimen_the_class_is_one(tmp_path) -> None:
    write_map(tmp_path / "a" / "r1.tif", texture(1.0, (32, 32), 1))
    write_map(tmp_path / "a" / "r2.ome.tif", texture(1.0, (32, 32), 2))
    found = read_map_set([tmp_path], size_px=32)
    assert [(each.class_name, each.specimen, each.region) for each in found.places] == [
        ("a", "a", "r1"),
        ("a", "a", "r2"),
    ]


def listing(root: Path, rows: list[str], columns: str = "file,class,specimen,region") -> Path:
    path = root / "maps.csv"
    path.write_text("\n".join([columns, *rows]) + "\n", encoding="utf-8")
    return path


def test_a_list_says_classes_specimens_and_sessions(root, tmp_path) -> None:
    shutil.copytree(root, tmp_path, dirs_exist_ok=True)
    rows = ["part2/s0/r0.tif,plain,A,one,Monday", "part10/s0/r1.tif,graphene,B,two,"]
    found = read_map_set([listing(tmp_path, rows, "file,class,specimen,region,session")], size_px=64)
    assert found.classes == ("graphene", "plain")
    assert [each.session for each in found.places] == ["", "Monday"]
    assert found.places[1].path.samefile(tmp_path / "part2" / "s0" / "r0.tif")


def test_squares_cut_beforehand_stay_with_their_region(tmp_path) -> None:
    rows = []
    for number, (name, specimen, region) in enumerate(
        [("a", "A", "one"), ("a", "A", "two"), ("a", "A", "one"), ("a", "B", "one"), ("b", "A", "one")]
    ):
        write_map(tmp_path / f"{number}.tif", texture(1.0, (32, 64), number))
        rows.append(f"{number}.tif,{name},{specimen},{region}")
    found = read_map_set([listing(tmp_path, rows)], size_px=32)
    assert [each.path.stem for each in found.places] == list("0022113344")
    assert found.images().tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert found.regions().tolist() == [0, 0, 0, 0, 1, 1, 2, 2, 3, 3]
    assert found.specimens().tolist() == [0, 0, 0, 0, 0, 0, 1, 1, 2, 2]
    assert len(found.image_digests) == 5


def test_a_class_is_called_by_what_can_be_shown(tmp_path) -> None:
    write_map(tmp_path / "r.tif", texture(1.0, (32, 32), 1))
    with pytest.raises(InputError, match=r"class 'GO\\xa00.02' holds a character"):
        read_map_set([listing(tmp_path, ["r.tif,GO\u00a00.02,A,one"])], size_px=32)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere, names of files are Unicode")
def test_a_file_whose_name_is_no_text_is_refused(tmp_path) -> None:
    path = write_map(tmp_path / "a" / "r.tif", texture(1.0, (32, 32), 1))
    path.rename(Path(os.fsdecode(os.fsencode(path.parent) + b"/r\xff.tif")))
    with pytest.raises(InputError, match=r"r\\udcff.tif' is not UTF-8; rename"):
        read_map_set([tmp_path], size_px=32)


def test_images_of_no_class_are_wanted_once(tmp_path) -> None:
    one = write_map(tmp_path / "one.tif", texture(1.0, (32, 32), 1))
    same = write_map(tmp_path / "same.tif", texture(1.0, (32, 32), 1))
    with pytest.raises(InputError, match=r"same.tif holds the same pixels as .*one.tif; wanted each region once$"):
        read_maps([one, same], size_px=32)
    with pytest.raises(InputError, match=r"one.tif is given twice; wanted each file once$"):
        read_maps([one, one], size_px=32)


def test_the_digest_is_of_the_contents(root, tmp_path) -> None:
    digest = read_map_set([root], size_px=32).digest
    moved = shutil.copytree(root, tmp_path / "moved")
    assert read_map_set([moved], size_px=32).digest == digest
    assert read_map_set([moved], size_px=48).digest != digest
    write_map(moved / "part2" / "s0" / "r0.tif", texture(1.0, (70, 104), 99))
    assert read_map_set([moved], size_px=32).digest != digest
    (moved / "part2" / "s0").rename(moved / "part2" / "s9")
    assert read_map_set([moved], size_px=32).digest != digest


def test_classes_that_share_pixels_are_refused(root, tmp_path) -> None:
    moved = shutil.copytree(root, tmp_path / "moved")
    with open_micrograph(moved / "part2" / "s0" / "r0.tif") as image:
        levels = image.read(0, 0, *image.shape)
    write_map(moved / "part10" / "s5" / "other.tif", levels, pixel_size_um=0.0521)
    with pytest.raises(InputError, match=r"other.tif \(part10\) holds the same pixels as .*r0.tif \(part2\)"):
        read_map_set([moved], size_px=32)


def test_a_file_in_two_classes_is_refused(root) -> None:
    copies = ["part2/s0/r0.tif,a,A,1", "part2/../part2/s0/r0.tif,b,B,1"]
    path = listing(root, copies)
    with pytest.raises(InputError, match=r"given twice \(class a and b\)"):
        read_map_set([path], size_px=32)
    with pytest.raises(InputError, match="given twice"):
        read_map_set([root, root], size_px=32)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,class,specimen\na.tif,a,b\n", "no column 'region'"),
        ("file,class,specimen,region\na.tif,,b,c\n", "line 2: class is empty"),
        ("file,class,specimen,region\na.tif,b\n", "line 2: specimen is empty"),
        ("file,class,specimen,region\n", "no maps in"),
        ("", "no column 'file'"),
    ],
)
def test_a_bad_list_is_one_clear_line(tmp_path, text, message) -> None:
    path = tmp_path / "maps.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_map_set([path])


def test_a_list_that_is_no_text(tmp_path) -> None:
    path = tmp_path / "maps.csv"
    path.write_bytes(b"file,class,specimen,region\n\xff\xfe,a,b,c\n")
    with pytest.raises(InputError, match="not a table in UTF-8"):
        read_map_set([path])


def test_differing_pixel_sizes_are_refused_unless_one_is_given(tmp_path) -> None:
    write_map(tmp_path / "a" / "r.tif", texture(1.0, (32, 32), 1), pixel_size_um=0.052)
    write_map(tmp_path / "b" / "r.tif", texture(1.0, (32, 32), 2), pixel_size_um=0.060)
    with pytest.raises(PixelSizeError, match=r"60 nm, .*a.r.tif of 52 nm"):
        read_map_set([tmp_path], size_px=32)
    with pytest.warns(UserWarning, match="two pixel sizes"):
        found = read_map_set([tmp_path], size_px=32, pixel_size_um=0.052)
    assert len(found) == 2
    assert found.levels([0, 1]).shape == (2, 32, 32)


def test_an_unknown_pixel_size_is_asked_for(tmp_path) -> None:
    from PIL import Image

    (tmp_path / "a").mkdir()
    Image.fromarray(texture(1.0, (32, 32), 1)).save(tmp_path / "a" / "r.png")
    with pytest.raises(PixelSizeError, match="--pixel-size"):
        read_map_set([tmp_path], size_px=32)
    assert read_map_set([tmp_path], size_px=32, pixel_size_um=0.05).pixel_size_um == 0.05


def test_images_of_several_sizes_are_noted_and_small_ones_refused(tmp_path) -> None:
    write_map(tmp_path / "a" / "r.tif", texture(1.0, (64, 64), 1))
    write_map(tmp_path / "b" / "r.tif", texture(1.0, (32, 64), 2))
    found = read_map_set([tmp_path], size_px=32)
    assert len(found) == 6
    assert any("2 sizes" in note for note in found.notes)
    assert any("classes differ in the sizes" in note for note in found.notes)
    with pytest.raises(InputError, match="32 x 64 px, smaller than a map of 48 x 48"):
        read_map_set([tmp_path], size_px=48)


def test_too_few_maps_or_classes(tmp_path) -> None:
    write_map(tmp_path / "a" / "r.tif", texture(1.0, (64, 64), 1))
    with pytest.raises(InputError, match="all maps are of one class, 'a'"):
        read_map_set([tmp_path], size_px=32, least_classes=2)
    write_map(tmp_path / "b" / "r.tif", texture(1.0, (32, 32), 2))
    with pytest.raises(InputError, match="class 'b' has 1 maps of 32 x 32 px; wanted at least 3"):
        read_map_set([tmp_path], size_px=32, least_maps=3)


def test_what_is_not_a_map_is_refused(tmp_path) -> None:
    with pytest.raises(FileAccessError, match="is not there"):
        read_map_set([tmp_path / "none"])
    with pytest.raises(InputError, match="no maps in"):
        read_map_set([tmp_path])
    import tifffile

    (tmp_path / "a").mkdir()
    tifffile.imwrite(tmp_path / "a" / "r.tif", np.zeros((32, 32), np.uint16))
    with pytest.raises(InputError, match="uint16; wanted a nano-porosity map"):
        read_map_set([tmp_path], size_px=32, pixel_size_um=0.05)
    (tmp_path / "a" / "r.tif").write_bytes(b"no image")
    with pytest.raises(FileFormatError):
        read_map_set([tmp_path], size_px=32)
    with pytest.raises(InputError, match="size_px"):
        read_map_set([tmp_path], size_px=4)


def test_natural_order() -> None:
    names = ["b", "a10", "a2", "a", "2", "10"]
    assert sorted(names, key=natural_key) == ["2", "10", "a", "a2", "a10", "b"]

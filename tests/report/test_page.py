"""The page: markup that escapes, values that come back, drawings that are where they should be."""

from __future__ import annotations

import base64
import hashlib
import io
import math
import re
import zlib
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from cemvis.errors import FileFormatError
from cemvis.report.page.blocks import rounded
from cemvis.report.page.charts import drawn_chart, round_ticks
from cemvis.report.page.content import Chart, Curve, Fact, Message, Picture, Section, Table, ValueLayer, View
from cemvis.report.page.markup import Html, element, filled, joined, safe_json
from cemvis.report.page.packing import STEP, Packed, grey_picture, packed_classes, packed_values, picture_file
from cemvis.report.page.page import page_text, size_in_words
from report_folders import EVIL


class Elements(HTMLParser):
    """Collects the elements of a page, with their attributes, and the text outside scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._raw = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self._raw = tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002
        self._raw = False

    def handle_data(self, data: str) -> None:
        if not self._raw:
            self.text += data

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def decoded(data: str, shape: tuple[int, int]) -> np.ndarray:
    """Return codes as the page's script reads them."""
    raw = np.frombuffer(zlib.decompress(base64.b64decode(data)), np.uint8).astype(np.int64)
    size = shape[0] * shape[1]
    change = (raw[:size] + 256 * raw[size:]).reshape(shape)
    return np.cumsum(change, axis=1) & 0xFFFF


def values_of(packed: Packed, shape: tuple[int, int]) -> np.ndarray:
    codes = decoded(packed.data, shape).astype(float)
    at = packed.step * (codes - 1)
    values = packed.low * np.exp(at) if packed.logarithmic else packed.low + at
    return np.where(codes == 0, np.nan, values)


def test_text_is_escaped_and_markup_is_not() -> None:
    inner = element("b", "1 < 2 & \"3'")
    assert inner == "<b>1 &lt; 2 &amp; &quot;3&#x27;</b>"
    assert isinstance(inner, Html)
    assert element("p", inner, None, " & ") == f"<p>{inner} &amp; </p>"
    assert joined("<", Html("<hr>"), None) == "&lt;<hr>"
    made = element("a", "x", class_="k", aria_label='"><script>', hidden=True, disabled=False, href=None)
    assert made == '<a class="k" aria-label="&quot;&gt;&lt;script&gt;" hidden>x</a>'
    assert element("img", src="a") == '<img src="a">'
    assert element("p", "a\udc80b") == "<p>a?b</p>"


def test_templates_are_filled_once() -> None:
    assert filled("a {{x}} b {{y}}", {"x": "{{y}}", "y": "2"}) == "a {{y}} b 2"


def test_json_cannot_leave_its_script() -> None:
    text = safe_json({"a": EVIL, "b": "<!--"})
    assert not set("<>&") & set(text)


@pytest.mark.parametrize("low", [1e-3, 20.0, 3e5])
def test_positive_values_come_back_to_a_fortieth_of_a_per_cent(low: float) -> None:
    rng = np.random.default_rng(1)
    values = low * np.exp(rng.uniform(0, math.log(200), (37, 53)))
    values[3, 4] = values[0, 0] = np.nan
    packed = packed_values(values)
    assert packed.logarithmic
    back = values_of(packed, values.shape)
    assert np.array_equal(np.isnan(back), np.isnan(values))
    np.testing.assert_allclose(back, values, rtol=STEP / 2 * 1.001)
    assert STEP / 2 < 2.5e-4


def test_values_around_zero_come_back_to_half_a_step() -> None:
    values = np.random.default_rng(2).normal(0, 3, (20, 30))
    values[1, 1] = np.nan
    packed = packed_values(values)
    assert not packed.logarithmic
    span = np.nanmax(values) - np.nanmin(values)
    np.testing.assert_allclose(values_of(packed, values.shape), values, atol=span / 32_000 * 1.001)


@pytest.mark.parametrize("values", [np.full((3, 4), np.nan), np.full((2, 2), 7.0), np.array([[1e-30, 1e30]])])
def test_odd_grids_are_packed(values: np.ndarray) -> None:
    back = values_of(packed_values(values), values.shape)
    assert np.array_equal(np.isnan(back), np.isnan(values))
    if np.isfinite(values).any():
        assert np.nanmax(np.abs(back - values)) <= 1e-4 * np.nanmax(values)


def test_classes_come_back() -> None:
    numbers = np.random.default_rng(3).integers(0, 256, (9, 11)).astype(np.uint8)
    assert np.array_equal(decoded(packed_classes(numbers), numbers.shape), numbers)


def test_a_grey_picture_is_stretched() -> None:
    grey = np.linspace(60, 180, 64 * 64).reshape(64, 64)
    with Image.open(io.BytesIO(base64.b64decode(grey_picture(grey).partition(",")[2]))) as image:
        shown = np.asarray(image).astype(float)
    assert (shown.min() < 4, shown.max() > 251) == (True, True)
    assert np.corrcoef(shown.ravel(), grey.ravel())[0, 1] > 0.999


def test_large_pictures_are_made_smaller_and_damaged_ones_are_told(tmp_path) -> None:
    Image.new("RGBA", (3000, 1000), (200, 20, 20, 255)).save(tmp_path / "large.png")
    data, width, height = picture_file(tmp_path / "large.png")
    assert (width, height) == (1600, 533)
    assert data.startswith("data:image/")
    (tmp_path / "bad.png").write_bytes((tmp_path / "large.png").read_bytes()[:60])
    with pytest.raises(FileFormatError, match=r"bad\.png is a damaged"):
        picture_file(tmp_path / "bad.png")


def test_pictures_too_large_to_decode_are_named(tmp_path, monkeypatch) -> None:
    Image.new("L", (300, 100)).save(tmp_path / "large.png")
    monkeypatch.setattr("cemvis.report.page.packing.MOST_PICTURE_PX", 29_999)
    with pytest.raises(FileFormatError, match=r"large\.png has 300 x 100 px"):
        picture_file(tmp_path / "large.png")


def chart(**changes) -> Chart:
    counts, edges = np.histogram(np.random.default_rng(4).normal(30, 4, 5000), 40, (10, 50))
    fields = {"title": "Modulus", "label": "Modulus (GPa)", "edges": edges, "counts": counts, "all_values": 5000}
    return Chart(**{**fields, "median": 30.1, "unit": "GPa", **changes})


def points(text: str, name: str) -> np.ndarray:
    (found,) = re.findall(rf'points="([^"]+)" class="{name}"', text)
    return np.array([pair.split(",") for pair in found.split()], float)


def test_a_curve_lies_on_the_bars_it_was_fitted_to() -> None:
    drawn = drawn_chart(chart(curves=(Curve("all there is", 1.0, 30.0, 4.0, "100 %"),)))
    curve = points(drawn, "curve c0")
    (steps,) = re.findall(r'd="M([^"]+)Z" class="bars"', drawn)
    tops = np.array(re.findall(r"V([\d.]+)H([\d.]+)", steps), float)
    at_bars = np.interp((np.r_[46.0, tops[:-1, 1]] + tops[:, 1]) / 2, curve[:, 0], curve[:, 1])
    assert np.abs(at_bars - tops[:, 0]).max() < 16  # of 220 px: the bars' own scatter
    assert np.abs(at_bars - tops[:, 0]).mean() < 3
    assert "all there is" in drawn
    assert drawn.count("<polyline") == 1
    two = drawn_chart(chart(curves=(Curve("a", 0.5, 29, 4), Curve("b", 0.5, 31, 4))))
    parts = [230 - points(two, f"curve {name}")[:, 1] for name in ("c0", "c1", "all")]
    np.testing.assert_allclose(parts[0] + parts[1], parts[2], atol=0.16)


def test_charts_without_values_or_without_anything() -> None:
    empty = {"counts": np.zeros(1, np.int64), "edges": np.array([0.0, 50.0]), "all_values": 0, "median": math.nan}
    assert "No value to draw" in drawn_chart(chart(**empty))
    assert "<polyline" in drawn_chart(chart(**empty, curves=(Curve("a", 1.0, 25, 4),)))


def test_ticks_are_round() -> None:
    assert round_ticks(0.0, 1.0, 5) == [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert round_ticks(13.0, 148.0, 6) == [50.0, 100.0]
    assert round_ticks(2.0, 2.0, 5) == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [("0.8318719500472322", "0.83187"), ("49091.580", "49091.580"), ("1234567890123", "1234567890123")],
)
def test_long_numbers_are_rounded_for_the_eye(text: str, shown: str) -> None:
    assert rounded(text, float(text)) == shown


def whole_page(*, title: str = "A page", name: str = "run") -> str:
    layer = ValueLayer(EVIL, "GPa", np.array([[20.0, 30.0]]), (0, 2, 0, 1), "cividis")
    blocks = (
        View(EVIL, (layer,), (0, 2, 0, 1), EVIL),
        chart(title=EVIL, label=EVIL, curves=(Curve(EVIL, 1.0, 30, 4, EVIL),), note=EVIL),
        Table(EVIL, (EVIL, "n"), ((EVIL, "0.8318719500472322"), ("x", "")), 5, EVIL),
        Picture(EVIL, grey_picture(np.eye(4)), 4, 4),
        Message(EVIL, alarming=True),
    )
    section = Section(
        name,
        EVIL,
        EVIL,
        (EVIL,),
        (EVIL,),
        (Fact(EVIL, EVIL, EVIL),),
        blocks,
        ((EVIL, EVIL),),
        {EVIL: {EVIL: [EVIL, 1, None, {"a": [1.5] * 30}]}},
        ((EVIL, 10),),
    )
    return page_text([section, Section(EVIL, "map", "")], title=title)


def test_nothing_of_what_is_shown_becomes_markup() -> None:
    text = whole_page(title=EVIL, name=EVIL)
    page = Elements(text)
    assert "window.hacked=1</script>" not in text.replace("\\u003c", "")
    assert "<img src=x" not in text
    kinds = {attributes.get("type") for attributes in page.named("script")}
    assert len(page.named("script")) == 2
    assert kinds == {None, "application/json"}
    assert page.text.count("window.hacked=1") >= 2 * 15  # twice in each place that shows it
    assert all(not name.startswith("on") for _, attributes in page.found for name in attributes)


def test_the_page_asks_for_nothing_and_runs_nothing_but_its_own_script() -> None:
    text = whole_page()
    page = Elements(text)
    addresses = [each[key] for _, each in page.found for key in ("src", "href") if key in each]
    assert {str(address).partition(",")[0].partition("-")[0] for address in addresses} <= {
        *("data:image/png;base64", "data:image/jpeg;base64", "data:", "#part", "#main")
    }
    assert "http://" not in text
    assert "https://" not in text
    assert "@import" not in text
    (policy,) = [each["content"] for each in page.named("meta") if each.get("http-equiv") == "Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for tag in ("script", "style"):
        (source,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert 'style="' not in text  # the policy would refuse it


def test_tables_keep_the_whole_number_and_say_how_much_is_missing() -> None:
    text = whole_page()
    assert 'data-v="0.8318719500472322"' in text
    assert ">0.83187<" in text
    assert "Here are the first 2 of 5 rows" in text


def test_warnings_stand_up_front_with_the_folder_that_warns() -> None:
    text = whole_page(name="run-7")
    first = text.index('class="warnings"')
    assert first < text.index("<section")
    assert '<a href="#part-1">run-7</a>' in text[first : text.index("<section")]
    assert 'class="warnings"' not in page_text([Section("a", "map", "")], title="a")
    assert page_text([Section("a", "map", "", ("look out",))], title="b").count("look out") == 1


def test_sizes_in_words() -> None:
    assert [size_in_words(size) for size in (12, 3400, 2_500_000, 7e9)] == ["12 B", "3.4 kB", "2.5 MB", "7 GB"]

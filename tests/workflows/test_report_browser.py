"""The page of ``cemvis report`` in a real browser: what it shows, how it answers, and that it says nothing wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from matplotlib import colormaps
from PIL import Image

from browser import Browser, found_browser
from cemvis.report.style import robust_range
from cemvis.workflows.report import ReportConfig, write_report
from report_folders import (
    CELLS,
    EVIL,
    FIRST_UM,
    MOSAIC_PX,
    PIXEL_UM,
    STEP_UM,
    map_values,
    mixtures_of,
    raster,
    write_map,
    write_validation,
)

DESKTOP, PHONE = (1440, 900), (360, 740)
THREE_DIGITS = 5.3e-3  # relative: half of the last digit of 100, and the steps in which values are kept
READY = "[...document.querySelectorAll('.view')].every((view) => view.dataset.ready)"


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("page")
    mapped = write_map(root / "map", warnings=[EVIL])
    evil = root / "<img src=x onerror=window.hacked=1>"
    evil.mkdir()
    (evil / "<script>window.hacked=1<b>.csv").write_text(
        f'name,value\n"{EVIL.replace(chr(34), chr(34) * 2)}",10\nb,9\n,\nc,-1e3\n'
    )
    (evil / "about.json").write_text(json.dumps({EVIL: [EVIL]}))
    Image.new("L", (900, 400), 128).save(evil / "picture.png")
    folders = [mapped, mixtures_of(mapped, root / "found"), evil]
    write_report(folders, root / "report.html", ReportConfig(title=EVIL))
    return root / "report.html"


@pytest.fixture(scope="module")
def browser(tmp_path_factory) -> Iterator[Browser]:
    path = found_browser()
    if path is None:
        pytest.skip("no Chromium found (name one in CEMVIS_BROWSER)")
    with Browser(path, tmp_path_factory.mktemp("profile")) as found:
        reduced = {"name": "prefers-reduced-motion", "value": "reduce"}
        found.ask("Emulation.setEmulatedMedia", features=[reduced])
        yield found


@pytest.fixture
def desktop(browser, page) -> Iterator[Browser]:
    yield from opened(browser, page, DESKTOP)


@pytest.fixture
def phone(browser, page) -> Iterator[Browser]:
    yield from opened(browser, page, PHONE)


def opened(browser: Browser, page: Path, size: tuple[int, int]) -> Iterator[Browser]:
    browser.said.clear()
    browser.size(*size, ratio=1, mobile=size == PHONE)
    browser.open(page)
    browser.wait(READY)
    yield browser
    assert browser.run("window.hacked") is None
    assert browser.said == []


def stage(browser: Browser) -> tuple[float, float, float, float]:
    """Scroll to the first view and return left, top, width and height of its stage."""
    browser.run("document.querySelector('.view').scrollIntoView({ block: 'start' })")
    box = browser.run(
        "(() => { const r = document.querySelector('.stage').getBoundingClientRect();"
        "return [r.x, r.y, r.width, r.height]; })()"
    )
    return tuple(box)


def settled(browser: Browser) -> None:
    """Wait until what was asked for is drawn."""
    browser.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))")


def at_cell(box: tuple[float, float, float, float], row: int, column: int) -> tuple[float, float]:
    """Return where the centre of a cell is on the screen while the whole image is shown."""
    left, top, wide, high = box
    size = [side * PIXEL_UM for side in MOSAIC_PX]
    scale = min(wide / size[1], high / size[0])
    x, y = (FIRST_UM + place * STEP_UM + PIXEL_UM / 2 for place in (column, row))
    return left + wide / 2 + (x - size[1] / 2) * scale, top + high / 2 + (y - size[0] / 2) * scale


def said(browser: Browser) -> str:
    return browser.run("document.querySelector('.readout').innerText")


def numbers(browser: Browser) -> list[float]:
    """Return modulus, half width and hardness as they are read out."""
    found = re.search(r"Modulus ([\d.]+) \u00b1 ([\d.]+) GPa Hardness ([\d.]+) GPa", " ".join(said(browser).split()))
    assert found, said(browser)
    assert all(len(each.replace(".", "").lstrip("0")) == 3 for each in found.groups())
    return [float(each) for each in found.groups()]


def scale_um(browser: Browser) -> float:
    """Return the micrometres of a CSS pixel, by the scale bar."""
    text, wide = browser.run(
        "[document.querySelector('.scale .length').textContent,"
        "document.querySelector('.scale .bar').getBoundingClientRect().width]"
    )
    number, unit = text.split()
    return float(number) * {"nm": 1e-3, "\u00b5m": 1.0, "mm": 1e3}[unit] / wide


def press(browser: Browser, where: str, *keys: str) -> None:
    browser.run(f"document.querySelector('{where}').focus()")
    for key in keys:
        browser.key(key)
    settled(browser)


def split(browser: Browser) -> int:
    return int(browser.run("document.querySelector('.divider').getAttribute('aria-valuenow')"))


@pytest.fixture(scope="module")
def validated(tmp_path_factory) -> Path:
    """Write a page on an out-of-bag test, one map of which has a value below zero."""
    root = tmp_path_factory.mktemp("validated")
    folder = write_validation(root / "found", second=EVIL)
    values = map_values()["modulus"]
    values[12, 21] = -5
    raster(folder / "maps" / "map-1" / "modulus.ome.tif", values, "Modulus (GPa)")
    write_report([folder], root / "report.html")
    return root / "report.html"


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
@pytest.mark.parametrize("name", ["page", "validated"])
def test_nothing_sticks_out_and_nothing_is_blank(browser, request, name, size) -> None:
    for found in opened(browser, request.getfixturevalue(name), size):
        assert found.run("document.documentElement.scrollWidth") == size[0]
        wide = found.run(
            "[...document.querySelectorAll('main *')].filter((each) => !each.closest('.scroll, .legend, .stage, svg') "
            f"&& each.getBoundingClientRect().right > {size[0]}).map((each) => each.outerHTML.slice(0, 80))"
        )
        assert wide == []
        colours = found.run(
            "(() => { const c = document.querySelector('.stage canvas'); const d = c.getContext('2d')"
            ".getImageData(0, 0, c.width, c.height).data; return new Set(new Uint32Array(d.buffer)).size; })()"
        )
        assert colours > 100


def test_the_value_under_the_cursor_is_the_cells(desktop) -> None:
    box = stage(desktop)
    values = map_values()
    for row, column in ((3, 7), (20, 30), (CELLS[0] - 1, CELLS[1] - 1)):
        desktop.mouse("mouseMoved", *at_cell(box, row, column))
        modulus, hardness, half = (values[name][row, column] for name in ("modulus", "hardness", "modulus_half_width"))
        assert numbers(desktop) == pytest.approx([modulus, half, hardness], rel=THREE_DIGITS)
        place = re.findall(r"[xy] ([\d.]+) \u00b5m", said(desktop))
        assert [float(each) for each in place] == pytest.approx(
            [FIRST_UM + at * STEP_UM for at in (column, row)], abs=0.06
        )
    desktop.mouse("mouseMoved", *at_cell(box, 0, 0))
    assert "not mapped" in said(desktop)
    desktop.mouse("mouseMoved", *at_cell(box, 5, 5))
    assert "darker than all; brighter than all" in said(desktop)


def test_the_map_has_the_colours_of_its_values(desktop) -> None:
    box = stage(desktop)
    press(desktop, ".divider", "Home")
    values = map_values()["modulus"]
    low, high = robust_range(values.astype(float))
    cells = ((4, 9), (12, 21), (25, 40))
    places = [[round(a - b) for a, b in zip(at_cell(box, *cell), box[:2], strict=True)] for cell in cells]
    found = desktop.run(
        "(() => { const c = document.querySelector('.stage canvas');"
        "const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
        f"return {places}.map(([x, y]) => [...d.slice(4 * (y * c.width + x), 4 * (y * c.width + x) + 4)]); }})()"
    )
    for (row, column), shown in zip(cells, found, strict=True):
        place = np.log(values[row, column] / low) / np.log(high / low)
        wanted = colormaps["cividis"](int(np.clip(place * 256, 0, 255)), bytes=True)
        assert np.abs(np.array(shown, int) - np.array(wanted, int)).max() <= 3


def test_maps_of_a_test_share_their_colours_and_values_below_zero_have_the_lowest(browser, validated) -> None:
    for found in opened(browser, validated, DESKTOP):
        box = stage(found)
        press(found, ".divider", "Home")
        found.run(
            "(() => { const s = document.querySelector('select.right'); s.selectedIndex = 2;"
            "s.dispatchEvent(new Event('change')); })()"
        )
        settled(found)
        assert found.run("document.querySelector('.at-right').textContent") == f"Modulus, {EVIL}"
        x, y = (round(a - b) for a, b in zip(at_cell(box, 12, 21), box[:2], strict=True))
        shown = found.run(
            f"[...document.querySelector('.stage canvas').getContext('2d').getImageData({x}, {y}, 1, 1).data]"
        )
        assert np.abs(np.array(shown, int) - np.array(colormaps["cividis"](0, bytes=True), int)).max() <= 3
        legend = found.run("document.querySelector('.view .legend').innerText")
        assert "Equal ratios of colour over the same values on all maps of this property" in legend


def test_the_border_is_dragged_and_moved_by_keys(desktop) -> None:
    left, top, wide, high = stage(desktop)
    desktop.drag((left + wide / 2, top + high / 2), (left + 0.75 * wide, top + high / 2))
    settled(desktop)
    assert split(desktop) == 75
    press(desktop, ".divider", "ArrowLeft", "ArrowLeft")
    assert split(desktop) == 71
    press(desktop, ".divider", "End")
    assert split(desktop) == 100
    press(desktop, "canvas", ",", ",")
    assert split(desktop) == 90
    assert (
        desktop.run("document.querySelector('.divider').getAttribute('aria-valuetext')")
        == "BSE image left, Modulus right"
    )


def test_wheel_buttons_and_keys_zoom_and_the_scale_bar_follows(desktop) -> None:
    left, top, wide, high = stage(desktop)
    whole = scale_um(desktop)
    assert whole == pytest.approx(max(MOSAIC_PX[1] / wide, MOSAIC_PX[0] / high) * PIXEL_UM, rel=0.02)
    x, y = round(left + 0.3 * wide), round(top + 0.4 * high)
    desktop.mouse("mouseMoved", x, y)
    before = said(desktop).splitlines()[0]
    desktop.run("new Promise((done) => setTimeout(done, 350))")  # who scrolls the page is not stopped by the image
    desktop.mouse("mouseWheel", x, y, deltaX=0, deltaY=-200)
    settled(desktop)
    assert scale_um(desktop) == pytest.approx(whole * np.exp(-200 / 320), rel=0.02)
    assert said(desktop).splitlines()[0] == before  # what is under the cursor stays there
    desktop.run("document.querySelector('[data-do=in]').click()")
    settled(desktop)
    assert scale_um(desktop) == pytest.approx(whole * np.exp(-200 / 320) / 1.5, rel=0.02)
    place = said(desktop)
    press(desktop, "canvas", "ArrowRight")
    assert said(desktop) != place
    assert desktop.run("document.querySelector('.readout').getAttribute('aria-live')") == "polite"
    press(desktop, "canvas", "0")
    assert scale_um(desktop) == pytest.approx(whole, rel=1e-6)
    scrolled = desktop.run("window.scrollY")
    desktop.mouse("mouseWheel", x, y, deltaX=0, deltaY=120)  # nothing left to zoom out: the page scrolls
    desktop.wait(f"window.scrollY > {scrolled}")


def test_other_layers_are_chosen(desktop) -> None:
    stage(desktop)
    names = desktop.run("[...document.querySelector('select.right').options].map((each) => each.text)")
    assert names == ["BSE image", "Modulus", "Hardness", "Half width of Modulus", "Population by modulus"]
    desktop.run(
        "(() => { const s = document.querySelector('select.right'); s.selectedIndex = 4;"
        "s.dispatchEvent(new Event('change')); })()"
    )
    assert desktop.run("document.querySelector('.at-right').textContent") == "Population by modulus"
    legend = desktop.run("[...document.querySelectorAll('.view .legend')][0].innerText")
    assert legend.split("\n") == ["Population by modulus", "not mapped", "soft", "hard", "uncertain"]


def test_fingers_pinch_tap_and_move_the_border(phone) -> None:
    box = stage(phone)
    left, top, wide, high = box
    whole = scale_um(phone)
    x, y = at_cell(box, 10, 20)
    phone.touch("touchStart", (x, y))
    phone.touch("touchEnd")
    assert numbers(phone)[2] == pytest.approx(map_values()["hardness"][10, 20], rel=THREE_DIGITS)
    middle = (left + 0.3 * wide, top + high / 2)
    phone.touch("touchStart", (middle[0] - 20, middle[1]), (middle[0] + 20, middle[1]))
    for step in range(1, 5):
        by = 20 + 10 * step
        phone.touch("touchMove", (middle[0] - by, middle[1]), (middle[0] + by, middle[1]))
    phone.touch("touchEnd")
    settled(phone)
    assert scale_um(phone) == pytest.approx(whole / 3, rel=0.05)
    start = (left + wide / 2, top + high / 2)
    phone.touch("touchStart", start)
    for share in (0.55, 0.7, 0.8):
        phone.touch("touchMove", (left + share * wide, start[1]))
    phone.touch("touchEnd")
    settled(phone)
    assert split(phone) == 80


def test_tables_sort_and_copy(desktop) -> None:
    desktop.run(
        "window.table = [...document.querySelectorAll('.table')].at(-1); window.kept = '';"
        "navigator.clipboard.writeText = async (text) => { window.kept = text; }; 1"
    )
    column = "[...window.table.querySelectorAll('tbody tr')].map((row) => row.cells[1].textContent)"
    click = "window.table.querySelectorAll('th button')[1].click()"
    desktop.run(click)
    assert desktop.run(column) == ["-1e3", "9", "10", ""]
    assert desktop.run("window.table.querySelectorAll('th')[1].getAttribute('aria-sort')") == "ascending"
    desktop.run(click)
    assert desktop.run(column) == ["10", "9", "-1e3", ""]
    desktop.run("window.table.querySelector('[data-do=copy]').click()")
    desktop.wait("window.table.querySelector('.said').textContent")
    assert desktop.run("window.table.querySelector('.said').textContent") == "4 rows copied"
    quoted = EVIL.replace('"', '""')
    assert desktop.run("window.kept") == f'name,value\n"{quoted}",10\nb,9\nc,-1e3\n,\n'


def test_pictures_grow_when_they_are_chosen(desktop) -> None:
    button = "document.querySelector('.picture button')"
    desktop.run(f"{button}.click()")
    assert desktop.run(f"[{button}.ariaExpanded, {button}.closest('.picture').className]") == ["true", "picture large"]


def test_everything_that_answers_has_a_name_and_is_reached_by_key(desktop) -> None:
    nameless = desktop.run(
        "[...document.querySelectorAll('button, select, input, [role=slider], canvas')].filter((each) => "
        "!(each.ariaLabel || each.textContent.trim() || each.closest('label')?.textContent.trim()"
        " || each.querySelector('img[alt]')))"
        ".map((each) => each.outerHTML.slice(0, 100))"
    )
    assert nameless == []
    assert desktop.run(
        "[...document.querySelectorAll('.divider, .stage canvas, .scroll')].every((each) => each.tabIndex === 0)"
    )


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_stands_out_from_what_is_behind_it(browser, page, theme) -> None:
    browser.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": theme}])
    for found in opened(browser, page, DESKTOP):
        pairs = found.run(
            "(() => { const v = (n) => getComputedStyle(document.documentElement).getPropertyValue(n).trim();"
            "const behind = ['--paper', '--shade', '--alarm-paper'];"
            "return ['--ink', '--soft', '--accent', '--alarm'].flatMap((n) => behind.map((b) => [v(n), v(b)])); })()"
        )
        assert min(contrast(*pair) for pair in pairs) > 4.5  # WCAG 2.2, level AA
    browser.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "light"}])


def contrast(one: str, two: str) -> float:
    """Return the contrast ratio of two colours such as #fff, as WCAG defines it."""

    def luminance(colour: str) -> float:
        text = colour.lstrip("#")
        text = "".join(letter * 2 for letter in text) if len(text) == 3 else text
        parts = np.array([int(text[n : n + 2], 16) / 255 for n in (0, 2, 4)])
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        return float(linear @ (0.2126, 0.7152, 0.0722))

    light, dark = sorted((luminance(one), luminance(two)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_the_page_prints(desktop) -> None:
    stage(desktop)
    data = desktop.ask("Page.printToPDF", printBackground=True)["data"]
    assert len(data) > 50_000

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from cemvis.analysis.indentation.reading import read_indents_file
from cemvis.errors import FileFormatError, InputError
from workbooks import write_xls, write_xlsx

LARGEST = 1.7976931348623157e308
XPM = (
    "File\thc(nm)\tPmax(\u00b5N)\tS(\u00b5N/nm)\tA(nm^2)\thmax(nm)\theff(nm)\tEr(GPa)\tH(GPa)\tA\thf(nm)\tm\tX(mm)\tY(mm)"
    "\tDrift(nm/s)"
)


def xpm_row(x_mm: float, y_mm: float, *, er: float = 30.0, h: float = 1.0, m: float = 1.5, hf: float = 200.0) -> str:
    # heff, hardness and load go together for a sharp tip; hmax is that of the first curve, as in XPM maps.
    cells = ("map_0 LC.hys", 210.0, 1500.0, 28.0, 1.5e6, 111.0, 250.0, er, h, 0.1, hf, m, x_mm, y_mm, 0.0)
    return "\t".join(cell if isinstance(cell, str) else f"{cell:.6f}" for cell in cells)


def xpm_text(rows: list[str]) -> bytes:
    return "\r\n".join([f"Number of Data Points = {len(rows)}", "         ", XPM, *rows, ""]).encode("latin-1")


@pytest.fixture
def xpm(tmp_path: Path) -> Path:
    rows = [xpm_row(-114.7468 + 0.005 * i, -21.8212 - 0.005 * j, er=30.0 + i + j) for j in range(3) for i in range(3)]
    rows[4] = xpm_row(-114.7418, -21.8262, m=5.0)
    rows[5] = xpm_row(-114.7368, -21.8262, hf=0.0)
    rows[6] = xpm_row(-114.7468, -21.8312, er=math.nan, h=math.nan)
    path = tmp_path / "map.txt"
    path.write_bytes(xpm_text(rows))
    return path


def test_an_xpm_table(xpm: Path) -> None:
    table = read_indents_file(xpm)
    assert (table.sources[0].format, table.sources[0].vendor) == ("hysitron", "Bruker Hysitron")
    assert table.status == ("ok", "ok", "ok", "ok", "bad fit", "bad fit", "failed", "ok", "ok")
    assert table.x_um[:3].tolist() == [-114746.8, -114741.8, -114736.8]
    assert table.y_um[::3].tolist() == [-21821.2, -21826.2, -21831.2]
    assert table.depth_nm.tolist() == [250.0] * 9
    assert table.load_mn.tolist() == [1.5] * 9
    assert table.reduced_modulus_gpa[:3].tolist() == [30, 31, 32]
    assert not table.has("modulus_gpa")
    assert any("state Poisson's ratio with --nu" in note for note in table.notes)


def test_a_reduced_modulus_is_converted_with_a_stated_ratio_only(xpm: Path) -> None:
    table = read_indents_file(xpm, nu=0.2)
    expected = 0.96 / (1 / 30.0 - (1 - 0.07**2) / 1141)
    assert table.modulus_gpa[0] == pytest.approx(expected, rel=1e-12)
    assert math.isnan(table.modulus_gpa[6])
    assert table.reduced_modulus_gpa[0] == 30


def test_an_xpm_table_that_is_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "cut.txt"
    whole = xpm_text([xpm_row(0.005 * i, 0.0) for i in range(5)])
    path.write_bytes(b"\r\n".join(whole.split(b"\r\n")[:6]))
    with pytest.raises(FileFormatError, match="announces 5 tests and has 3; is it cut short"):
        read_indents_file(path)


def test_the_same_table_pasted_into_a_workbook(tmp_path: Path) -> None:
    # A micro sign that went through a Japanese code page.
    header = XPM.replace("\u00b5", "\uff75").split("\t")
    rows = [["Number of Data Points = "], ["      "], header]
    rows += [xpm_row(0.002 * i, 0.01).split("\t") for i in range(4)]
    table = read_indents_file(write_xlsx(tmp_path / "pasted.xlsx", {"Feuil1": rows}))
    assert (table.sources[0].format, table.sources[0].sheet) == ("hysitron", "Feuil1")
    assert table.x_um.tolist() == [0, 2, 4, 6]
    assert table.load_mn.tolist() == [1.5] * 4


def nanosuite(tmp_path: Path) -> Path:
    results = [
        ["Test", "X Test Position", "Y Test Position", "Avg Modulus [75-85 nm]", "Avg Hardness [75-85 nm]", "Time"],
        ["", "mm", "mm", "MPa", "GPa", ""],
        [1, 1.0, 2.0, 30000, 1.0, "20:14:00"],
        [2, 1.01, 2.0, LARGEST, LARGEST, "20:15:00"],
        [3, 1.02, 2.0, 25000.0, 0.9, "20:16:00"],
        ["4", 1.03, 2.0, 28000.0, 0.95, "20:17:00"],
        ["Mean", 1.0, 2.0, 29000.0, 0.95, ""],
        ["Std. Dev.", 0.1, 0.2, 1.0, 0.1, ""],
        ["% COV", 0.1, 0.2, 1.0, 0.1, ""],
    ]
    head = [["Segment", "Displacement Into Surface", "Load On Sample", "Time On Sample"], ["", "nm", "mN", "s"]]
    body = [["", float(i), 0.001 * i, 0.1 * i] for i in range(20)]
    sheets = {"Results": results, "Test 004 Tagged": [*head, *body], "Test 003": [*head, *body]}
    return write_xlsx(tmp_path / "suite.xlsx", sheets)


def test_a_nanosuite_workbook(tmp_path: Path) -> None:
    table = read_indents_file(nanosuite(tmp_path))
    assert (table.sources[0].format, table.sources[0].sheet) == ("nanosuite", "Results")
    assert table.id == ("1", "2", "3", "4")
    assert table.status == ("ok", "failed", "ok", "tagged")
    assert table.modulus_gpa.tolist()[::2] == [30, 25]
    assert math.isnan(table.modulus_gpa[1])
    assert table.x_um.tolist() == [1000, 1010, 1020, 1030]


def test_curves_of_a_nanosuite_workbook_need_their_unloading(tmp_path: Path) -> None:
    path = nanosuite(tmp_path)
    with pytest.raises(InputError, match="has no load-depth curve with an unloading; leave out --curves"):
        read_indents_file(path, curves=True)
    with pytest.raises(
        InputError, match=r"'Test 003' is the load-depth curve of one test; the table is in .*'Results'"
    ):
        read_indents_file(path, sheet="Test 003")
    with pytest.raises(InputError, match=r"has no sheet 'Result'; its sheets are Results, Test 004 Tagged"):
        read_indents_file(path, sheet="Result")


def cycles(tmp_path: Path) -> Path:
    """Return a workbook of two tests with two cycles each, whose curves are exact power laws (fused quartz)."""
    rows = [
        ["Test", "E", "Avg E", "H", "Avg H", "Displacement", "Load"],
        ["", "GPa", "GPa", "GPa", "GPa", "nm", "mN"],
    ]
    sheets = {}
    reduced = 1 / (0.9676 / 72 + 0.9951 / 1141)
    for test in (1, 2):
        rows.append([str(test), "", 72.0, "", 9.0, "", ""])
        sheet = [["Segment", "Displacement Into Surface", "Load On Sample", "Time On Sample"], ["", "nm", "mN", "s"]]
        for cycle, contact in enumerate((300.0 + test, 700.0 + test), 1):
            load = 9.0 * 24.5 * contact**2 * 1e-6
            stiffness = 2 * reduced * math.sqrt(24.5 * contact**2 / math.pi) * 1e-6
            depth = contact + 0.75 * load / stiffness
            rows.append([f"{test}-{cycle}", 71.0 + cycle, "", 8.9, "", depth, load])
            sheet.append([f"Cycle Begin Marker {cycle}", 0.0, 0.0, 0.0])
            sheet.append([f"Cycle Unload Marker {cycle}", depth, load, 1.0])
            fall = np.linspace(1, 0.1, 60)[1:]
            reach = 1.5 * load / stiffness
            sheet += [["", float(depth - reach * (1 - f ** (1 / 1.5))), float(load * f), 1.0] for f in fall]
        sheets[f"Test {test:03d}"] = [*sheet, ["END", "", "", ""]]
    inputs = [["Test", "Poissons Ratio"], ["", ""], [1.0, 0.18], [2.0, 0.18]]
    summary = {"Results": [*rows, ["Mean", 72.0]], "Required Inputs": inputs}
    return write_xlsx(tmp_path / "cycles.xlsx", summary | sheets)


def test_cycles_of_a_test(tmp_path: Path) -> None:
    path = cycles(tmp_path)
    deepest = read_indents_file(path)
    assert deepest.id == ("1-2", "2-2")
    assert deepest.modulus_gpa.tolist() == [73, 73]
    assert read_indents_file(path, all_cycles=True).id == ("1-1", "1-2", "2-1", "2-2")


def test_cycles_computed_from_their_curves(tmp_path: Path) -> None:
    table = read_indents_file(cycles(tmp_path), curves=True, all_cycles=True)
    assert table.modulus_gpa == pytest.approx([72.0] * 4, rel=1e-4)
    assert table.hardness_gpa == pytest.approx([9.0] * 4, rel=1e-4)
    assert table.status == ("ok",) * 4
    assert "Poisson's ratio 0.18 from the sheet 'Required Inputs'" in table.notes
    assert any(note.startswith("hardness from the curves against the reported one: +1.1 %") for note in table.notes)
    assert read_indents_file(cycles(tmp_path), curves=True, nu=0.3).modulus_gpa[0] == pytest.approx(
        72 * 0.91 / 0.9676, rel=1e-4
    )


def test_an_asmec_workbook(tmp_path: Path) -> None:
    rows = [
        ["No.", "File", "Average of", "N", "F", "h", "H", "E", "Er", "ns", "CIT", "Wtot", "NIT"],
        ["", "", "", "", "mN", "\u00b5m", "GPa", "GPa", "GPa", "", "%", "nJ", "%"],
        ["1", "a.DAT", "1", "1", "1008.370", "7.562", "1.148", "16.60", "17.03", "0.200", "1", "3622.2", "27.7"],
        ["2", "b.DAT", "1", "2", "1007.990", "8.536", "0.860", "14.22", "14.62", "0.200", "1", "3835.3", "26.2"],
    ]
    table = read_indents_file(write_xlsx(tmp_path / "asmec.xlsx", {"Sheet1": rows, "Sheet2": []}))
    assert table.sources[0].format == "asmec"
    assert table.depth_nm.tolist() == [7562, 8536]
    assert table.load_mn.tolist() == [1008.37, 1007.99]
    assert (table.hardness_gpa.tolist(), table.modulus_gpa.tolist()) == ([1.148, 0.86], [16.6, 14.22])
    assert not table.has("x_um")
    assert "the file's moduli were computed with a Poisson's ratio of 0.2" in table.notes


def test_a_nanoblitz_workbook(tmp_path: Path) -> None:
    rows = [
        ["INDENT", "X", "Y", "DEPTH", "LOAD", "STIFFNESS", "HARDNESS", "MODULUS"],
        ["", "\u00b5m", "\u00b5m", "nm", "mN", "N/m", "GPa", "GPa"],
        [1, 0, 0, 250.0, 1.5, 28000.0, 1.0, 30.0],
        [2, 2, 0, 240.0, 1.5, 28000.0, "NaN", "NaN"],
        [3, 4, 0, 245.0, 1.5, 28000.0, 1.1, LARGEST],
        [4, 6, 0, 245.0, 1.5, 28000.0, 1.1, 32.0],
    ]
    table = read_indents_file(write_xlsx(tmp_path / "blitz.xlsx", {"Info": [["made by hand"]], "Data": rows}))
    assert (table.sources[0].format, table.sources[0].vendor, table.sources[0].sheet) == ("nanoblitz", "KLA", "Data")
    assert table.id == ("1", "2", "3", "4")
    assert table.status == ("ok", "failed", "failed", "ok")
    assert table.x_um.tolist() == [0, 2, 4, 6]


ROWS = [("1", 0.0, 0.0, 30.0, 1.0), ("2", 10.0, 0.0, 25.5, 0.9), ("3", 0.0, 10.0, 60.25, 2.0)]


@pytest.mark.parametrize(
    ("separator", "comma", "encoding"),
    [
        (",", False, "utf-8"),
        (";", True, "latin-1"),
        ("\t", False, "utf-16"),
        ("\t", True, "utf-8-sig"),
        (" ", False, "utf-8"),
    ],
)
def test_text_of_any_separator_decimal_sign_and_encoding(tmp_path: Path, separator, comma, encoding) -> None:
    head = ["Test", "X(\u00b5m)", "Y(\u00b5m)", "E(GPa)", "H(GPa)"]
    lines = [separator.join(head)] + [
        separator.join(cell if isinstance(cell, str) else str(cell) for cell in row) for row in ROWS
    ]
    text = "\n".join(lines)
    path = tmp_path / "table.dat"
    path.write_text(text.replace(".", ",") if comma else text, encoding=encoding)
    table = read_indents_file(path)
    assert table.modulus_gpa.tolist() == [30, 25.5, 60.25]
    assert table.y_um.tolist() == [0, 0, 10]
    assert ("numbers are read with a decimal comma" in table.notes) == comma


def test_units_below_the_header_beside_names_and_in_names(tmp_path: Path) -> None:
    path = tmp_path / "units.csv"
    path.write_text('x,y,Modulus,"Hardness, MPa",depth_um\nmm,mm,MPa,,\n1,2,30000,1000,0.25\n1.01,2,25000,900,0.26\n')
    table = read_indents_file(path)
    assert table.modulus_gpa.tolist() == [30, 25]
    assert table.hardness_gpa.tolist() == [1, 0.9]
    assert table.depth_nm.tolist() == [250, 260]
    assert table.x_um.tolist() == [1000, 1010]


def test_numbers_without_a_unit_are_taken_as_the_tables_own_and_that_is_said(tmp_path: Path) -> None:
    path = tmp_path / "bare.csv"
    path.write_text("E,H\n30,1\n25,0.9\n")
    table = read_indents_file(path)
    assert table.modulus_gpa.tolist() == [30, 25]
    assert any(note.startswith("no unit is stated for E, H") for note in table.notes)


def test_a_table_that_cemvis_wrote_is_read_as_it_was(tmp_path: Path, xpm: Path) -> None:
    table = read_indents_file(xpm, nu=0.2)
    table.to_csv(tmp_path / "written.csv")
    again = read_indents_file(tmp_path / "written.csv")
    for name in ("x_um", "y_um", "modulus_gpa", "hardness_gpa", "reduced_modulus_gpa", "depth_nm", "load_mn"):
        np.testing.assert_array_equal(getattr(again, name), getattr(table, name))
    assert (again.id, again.status) == (table.id, table.status)


def test_one_hysitron_curve(tmp_path: Path) -> None:
    contact, hardness = 300.0, 2.0
    load = hardness * 24.5 * contact**2 * 1e-3  # uN
    stiffness = 2 * 50.0 * math.sqrt(24.5 * contact**2 / math.pi) * 1e-3
    depth = contact + 0.75 * load / stiffness
    fall = np.linspace(1, 0.02, 300)
    loads = np.concatenate([load * np.linspace(0, 1, 100) ** 2, np.full(20, load), load * fall])
    reach = 1.5 * load / stiffness
    depths = np.concatenate(
        [depth * np.linspace(0, 1, 100), np.full(20, depth), depth - reach * (1 - fall ** (1 / 1.5))]
    )
    lines = [f"{d:.6f}\t{p:.6f}\t{0.01 * i:.6f}\t0.1\t0.2" for i, (d, p) in enumerate(zip(depths, loads, strict=True))]
    head = [
        "Mon Apr 29 10:41:06 2019",
        "",
        "Number of Points = 420",
        "Depth (nm)\tLoad (\u00b5N)\tTime (s)\tDepth (V)\tLoad (V)",
    ]
    path = tmp_path / "curve.txt"
    path.write_text("\n".join(head + lines), encoding="latin-1")
    table = read_indents_file(path)
    assert table.sources[0].format == "hysitron-curve"
    assert table.reduced_modulus_gpa == pytest.approx([50.0], rel=1e-4)
    assert table.hardness_gpa == pytest.approx([2.0], rel=1e-4)
    assert not table.has("modulus_gpa")
    path.write_text("\n".join(head + lines[:-7]), encoding="latin-1")
    with pytest.raises(FileFormatError, match="announces 420 points and has 413; is it cut short"):
        read_indents_file(path)
    path.write_text("\n".join([*head[:2], head[2].replace("420", "110"), head[3], *lines[:110]]), encoding="latin-1")
    with pytest.raises(InputError, match="without unloading there is no analysis"):
        read_indents_file(path)


def test_a_nanosuite_workbook_of_the_old_format(tmp_path: Path) -> None:
    rows = [
        ["Test", "Avg E", "Avg H"],
        ["", "GPa", "GPa"],
        ["1", 30.0, 1.0],
        ["2", LARGEST, LARGEST],
        ["Mean", 30.0, 1.0],
    ]
    path = write_xls(
        tmp_path / "suite.xls", {"Results": rows, "Required Inputs": [["Test", "Poissons Ratio"], [1.0, 0.2]]}
    )
    table = read_indents_file(path)
    assert (table.sources[0].format, table.id, table.status) == ("nanosuite", ("1", "2"), ("ok", "failed"))
    assert table.modulus_gpa[0] == 30

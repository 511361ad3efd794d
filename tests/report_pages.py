"""Pages of `cemvis report`, read back."""

from __future__ import annotations

import base64
import json
import re
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from cemvis.workflows.report import ReportConfig, write_report


def views(text: str) -> list[dict[str, Any]]:
    found = re.findall(r'<script type="application/json">(.*?)</script>', text, re.DOTALL)
    return [json.loads(each) for each in found]


def values_of(layer: dict[str, Any]) -> np.ndarray:
    """Return a layer's values as the page's script reads them."""
    raw = np.frombuffer(zlib.decompress(base64.b64decode(layer["data"])), np.uint8).astype(np.int64)
    size = layer["rows"] * layer["cols"]
    change = (raw[:size] + 256 * raw[size:]).reshape(layer["rows"], layer["cols"])
    codes = (np.cumsum(change, axis=1) & 0xFFFF).astype(float)
    at = layer["step"] * (codes - 1)
    return np.where(codes == 0, np.nan, layer["low"] * np.exp(at) if layer["log"] else layer["low"] + at)


def report(folders: list[Path], output: Path, **options: Any) -> tuple[str, Any]:
    result = write_report(folders, output, ReportConfig(**options), overwrite=True)
    return output.read_text("utf-8"), result

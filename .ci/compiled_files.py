"""Print the project's own files of a compilation database, separated by NUL."""

from __future__ import annotations

import json
import sys
from pathlib import Path

for entry in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")):
    path = Path(entry["file"])
    if "third_party" not in path.parts and path.suffix == ".cpp":
        sys.stdout.write(f"{path}\0")

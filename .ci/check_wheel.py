"""A wheel holds the package as the repository has it, plus the compiled core, and nothing else."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import PurePosixPath

LARGEST_MB = 20


def main(path: str) -> None:
    listing = subprocess.check_output(["git", "ls-files", "-z", "--", "python/cemvis"], text=True)
    wanted = {name.removeprefix("python/") for name in listing.split("\0") if name}
    with zipfile.ZipFile(path) as wheel:
        found = {info.filename for info in wheel.infolist() if not info.is_dir()}
        size_mb = sum(info.compress_size for info in wheel.infolist()) / 1e6
    metadata = {name for name in found if PurePosixPath(name).parts[0].endswith(".dist-info")}
    cores = {name for name in found if name.startswith("cemvis/_core.") and name.endswith((".so", ".pyd"))}

    faults = [f"missing: {name}" for name in sorted(wanted - found)]
    faults += [f"unexpected: {name}" for name in sorted(found - wanted - metadata - cores)]
    faults += [f"licence missing from {path}"] if not any(name.endswith("/LICENSE") for name in metadata) else []
    faults += [f"{len(cores)} compiled cores instead of one"] if len(cores) != 1 else []
    faults += [f"{size_mb:.1f} MB, more than {LARGEST_MB}"] if size_mb > LARGEST_MB else []
    if faults:
        sys.exit("\n".join(faults))
    print(f"{PurePosixPath(path).name}: {len(found)} files, {size_mb:.1f} MB")


if __name__ == "__main__":
    main(sys.argv[1])

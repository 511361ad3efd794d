from __future__ import annotations

import hashlib
import subprocess
import sys

import numpy as np
import pytest
import tifffile

from cemvis.errors import InputError
from cemvis.images import Micrograph, PixelSize, open_micrograph

GREY = np.random.default_rng(5).integers(0, 256, (40, 50), dtype=np.uint8)


def test_an_array_is_a_micrograph_too():
    size = PixelSize(0.04, "option")
    with Micrograph.from_array(GREY, pixel_size=size) as micrograph:
        assert (micrograph.path, micrograph.shape, micrograph.dtype) == (None, (40, 50), np.uint8)
        assert micrograph.require_pixel_size() == size
        window = micrograph.read(3, 4, 10, 20)
        assert np.array_equal(window, GREY[3:13, 4:24])
        window[:] = 0
        assert GREY[3:13, 4:24].any()  # the window is a copy


@pytest.mark.parametrize("image", [GREY.astype(float), GREY[0], GREY[:0], [[1, 2]], GREY.astype(">u2")])
def test_other_arrays_are_refused(image):
    with pytest.raises(InputError):
        Micrograph.from_array(image, pixel_size=None)


def test_digests(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, GREY)
    with open_micrograph(path) as micrograph:
        assert micrograph.digest() == hashlib.sha256(path.read_bytes()).hexdigest()
        assert micrograph.digest() == micrograph.digest()

    def of_array(image):
        return Micrograph.from_array(image, pixel_size=None).digest()

    assert of_array(GREY) == of_array(GREY.copy())
    assert len({of_array(image) for image in (GREY, GREY.T, GREY.astype(np.uint16), 255 - GREY)}) == 4
    tall = np.arange(2 * 600 * 3, dtype=np.uint16).reshape(600, 6)[:, ::2]
    assert of_array(tall) == hashlib.sha256(b"(600, 3) uint16\n" + tall.tobytes()).hexdigest()


def test_importing_images_imports_no_reader():
    heavy = "{'tifffile', 'zarr', 'PIL', 'imagecodecs', 'scipy', 'numpy'}"
    code = f"import sys, cemvis.images; print(sorted({heavy} & set(sys.modules)))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=_env())
    assert shown.stdout.strip() == "[]"


def _env():
    import os
    from pathlib import Path

    import cemvis

    return {**os.environ, "PYTHONPATH": str(Path(cemvis.__file__).parents[1])}


def test_an_unknown_name_is_an_attribute_error():
    import cemvis.images

    with pytest.raises(AttributeError, match="no attribute 'micrographs'"):
        _ = cemvis.images.micrographs
    for name in cemvis.images.__all__:
        assert getattr(cemvis.images, name).__name__ == name

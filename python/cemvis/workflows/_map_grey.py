"""How a mosaic's grey scale is brought to a model's, for maps and for explanations of them."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING

from cemvis.errors import GreyScaleError, GreyScaleWarning
from cemvis.images.grey_scale import GreyScale, GreyTransform, measure_anchors, transform_to

if TYPE_CHECKING:
    from cemvis.images.micrograph import Micrograph
    from cemvis.models.model import Model
    from cemvis.workflows._map_result import Anchors


def matched_grey(image: Micrograph, model: Model, anchors: Anchors, *, threads: int = 1) -> GreyTransform:
    """Return the transform from the mosaic's grey scale to the model's, with a warning if it is uncertain.

    Raises
    ------
    GreyScaleError
        If anchors are to be found in the histogram, and are not there.
    """
    if anchors == "none":
        return replace(transform_to(model.grey_scale, None), note="grey levels are used as they are, as was asked for")
    if isinstance(anchors, GreyScale):
        return transform_to(model.grey_scale, anchors)
    fit = measure_anchors(image, threads=threads)
    if fit.scale is None:
        msg = (
            f"the mosaic's grey scale cannot be matched with the model's: {fit.note}; give the grey levels of its "
            "matrix and clinker with --anchors MATRIX,CLINKER, or use it as it is with --anchors none"
        )
        raise GreyScaleError(msg)
    if not fit.reliable:
        msg = (
            f"the grey scale is uncertain ({fit.note}): all values may be off; give the grey levels of matrix and "
            "clinker with --anchors MATRIX,CLINKER"
        )
        warnings.warn(msg, GreyScaleWarning, stacklevel=2)
    return transform_to(model.grey_scale, fit)

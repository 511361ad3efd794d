"""The same network with random weights: what explanations show that has nothing to do with training."""

from __future__ import annotations

import copy

import torch
from torch import nn

from cemvis.errors import InputError


def randomised(network: nn.Module, seed: int) -> nn.Module:
    """Return a copy of `network` with random weights, as it was before any training; the original stays as it is.

    Each layer draws its own start anew (for a convolution PyTorch's uniform numbers, within one over the root of what a
    unit reads), and running statistics are those of no data, mean 0 and variance 1: a map that looks alike with such
    weights shows the layout and the image, not what was learned [1]_.

    Raises
    ------
    InputError
        If `seed` is not a whole number of 0 or more.

    References
    ----------
    .. [1] Adebayo et al., Sanity checks for saliency maps, NeurIPS 2018, doi:10.48550/arXiv.1810.03292
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        msg = f"seed is {seed!r}; wanted a whole number of 0 or more"
        raise InputError(msg)
    fresh = copy.deepcopy(network)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for module in fresh.modules():
            reset = getattr(module, "reset_parameters", None)
            if callable(reset):
                reset()
    return fresh.eval()

"""The two functions that facenet-pytorch takes from torchvision, for an environment without it.

PyPI's torchvision is built against PyPI's torch and does not import beside PyTorch's CPU build.
"""

import importlib.util
import sys
from types import ModuleType
from typing import Any

import numpy as np

MODULES = ("torchvision", "torchvision.ops", "torchvision.ops.boxes", "torchvision.transforms")
FUNCTIONAL = "torchvision.transforms.functional"


def provide() -> None:
    """Stand in for torchvision, unless it is installed."""
    if "torchvision" in sys.modules or importlib.util.find_spec("torchvision") is not None:
        return
    modules = {name: ModuleType(name) for name in (*MODULES, FUNCTIONAL)}
    modules["torchvision.ops.boxes"].__dict__["batched_nms"] = batched_nms
    modules[FUNCTIONAL].__dict__["to_tensor"] = to_tensor
    modules["torchvision.transforms"].__dict__["functional"] = modules[FUNCTIONAL]
    sys.modules.update(modules)


def to_tensor(pixels: Any) -> Any:
    """Height, width, colour to colour, height, width; floats stay as they are."""
    import torch  # noqa: PLC0415 - a second to load; only where faces are looked for

    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))


def batched_nms(boxes: Any, scores: Any, groups: Any, overlap: float) -> Any:
    """Indices of the boxes to keep, the surest first: none overlaps a surer one of its group by more than ``overlap``.

    Overlap is the common area divided by the area that the two cover.
    """
    import torch  # noqa: PLC0415

    if boxes.numel() == 0:
        return torch.empty(0, dtype=torch.int64)
    apart = groups.to(boxes) * (boxes.max() + 1)  # boxes of two groups never meet
    left, top, right, bottom = (boxes + apart[:, None]).numpy().T
    areas = (right - left) * (bottom - top)
    waiting = np.argsort(-scores.numpy(), kind="stable")
    kept = []
    while waiting.size:
        surest, waiting = waiting[0], waiting[1:]
        kept.append(surest)
        width = np.minimum(right[surest], right[waiting]) - np.maximum(left[surest], left[waiting])
        height = np.minimum(bottom[surest], bottom[waiting]) - np.maximum(top[surest], top[waiting])
        common = width.clip(0) * height.clip(0)
        waiting = waiting[common <= overlap * (areas[surest] + areas[waiting] - common)]
    return torch.as_tensor(np.array(kept, dtype=np.int64))

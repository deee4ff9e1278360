"""Runs models that Quantlab saved, in PyTorch alone.

    import torch
    import quantlab.torch

    model = quantlab.torch.load("results/quick/static_quant/model")
    logits = model(torch.tensor([[101, 1037, 2986, 2143, 102]]))   # [texts, labels], float32
    print(model.labels[logits.argmax(1).item()])

`load` reads config.json, plan.json and model.safetensors, and needs no package but torch. The module computes the
logits that quant-runner computes, by the same steps of rounding: docs/en/plan.md describes the files, layers.py the
arithmetic of each kind of layer. It is for inference; nothing in it can be trained.
"""

try:
    import torch as _torch  # noqa: F401
except ImportError as error:
    raise ImportError("quantlab.torch needs PyTorch, which the client does not install: "
                      "pip install './client/python[torch]', or pip install torch") from error

from quantlab.torch.config import Config, read_config
from quantlab.torch.files import InvalidModel
from quantlab.torch.model import Classifier, load
from quantlab.torch.plan import Plan, read_plan

__all__ = ["Classifier", "Config", "InvalidModel", "Plan", "load", "read_config", "read_plan"]

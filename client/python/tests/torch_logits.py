"""Logits of quantlab.torch, for tests that run without torch: torch_logits.py FOLDER... < token ids, as JSON lists.

Prints {folder: logits} as JSON; each text is a batch of its own.
"""

import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "src"))

import torch  # noqa: E402

import quantlab.torch  # noqa: E402


def main():
    torch.set_num_threads(1)
    texts = [json.loads(line) for line in sys.stdin]
    models = {folder: quantlab.torch.load(folder) for folder in sys.argv[1:]}
    print(json.dumps({folder: [model(torch.tensor([ids]))[0].tolist() for ids in texts]
                      for folder, model in models.items()}))


if __name__ == "__main__":
    main()

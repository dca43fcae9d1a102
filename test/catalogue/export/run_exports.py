"""Runs the exports of a model as their READMEs say, and prints the pixels, the logits and the scores as JSON."""

import base64
import importlib.util
import json
import sys
from pathlib import Path

import numpy
import onnxruntime
import torch

safetensors, onnx, photo = sys.argv[1:]
spec = importlib.util.spec_from_file_location("model", Path(safetensors) / "model.py")
recipe = importlib.util.module_from_spec(spec)
spec.loader.exec_module(recipe)
pixels = recipe.read_pixels(photo)
with torch.inference_mode():
    logits = recipe.Classifier().eval()(pixels)[0]
session = onnxruntime.InferenceSession(str(Path(onnx) / "model.onnx"), providers=["CPUExecutionProvider"])
scores, onnx_logits = session.run(["probabilities", "logits"], {"pixels": pixels.numpy()})
print(
    json.dumps(
        {
            "pixels": base64.b64encode(pixels.numpy().astype(numpy.uint8).tobytes()).decode(),
            "torch": {"logits": logits.tolist(), "scores": logits.softmax(0).tolist()},
            "onnx": {"logits": onnx_logits[0].tolist(), "scores": scores[0].tolist()},
        }
    )
)

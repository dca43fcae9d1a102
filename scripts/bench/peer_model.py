"""What the Python programs of the benchmark share: photo to pixels with Pillow, pixels to scores with ONNX Runtime."""

import io
import os
import signal
import threading

import numpy as np
import onnxruntime as ort
from PIL import Image

KERNELS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos3": Image.Resampling.LANCZOS,
}


class Model:
    """A model as `BenchModel` in bench-model.ts describes it. `threads` of its session: 0 is the runtime's default."""

    def __init__(self, model, threads):
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        self.session = ort.InferenceSession(model["onnxPath"], options, providers=["CPUExecutionProvider"])
        self.labels = model["labels"]
        recipe = model["preprocessing"]
        self.crop_height, self.crop_width = recipe["inputSize"]
        self.mode = recipe["resizeMode"]
        self.crop_pct = recipe["cropPct"]
        self.kernel = KERNELS[recipe["interpolation"]]
        if self.mode == "pad":
            raise ValueError("the Python programs of the benchmark cannot pad photos")

    def prepare(self, photo):
        """The bytes of a photo to an array of uint8, [height, width, 3]. Only what is cropped is resized."""
        image = Image.open(io.BytesIO(photo))
        if image.mode != "RGB":
            image = image.convert("RGB")
        height = int(self.crop_height / self.crop_pct + 1e-6)
        width = int(self.crop_width / self.crop_pct + 1e-6)
        if self.mode == "crop":
            if image.width * height > image.height * width:
                width = height * image.width // image.height
            else:
                height = width * image.height // image.width
        left, top = round((width - self.crop_width) / 2), round((height - self.crop_height) / 2)
        across, down = image.width / width, image.height / height
        box = (
            left * across,
            top * down,
            min(image.width, (left + self.crop_width) * across),
            min(image.height, (top + self.crop_height) * down),
        )
        return np.asarray(image.resize((self.crop_width, self.crop_height), self.kernel, box=box))

    def run(self, images):
        """Arrays of `prepare` to probabilities, [images, classes]."""
        return self.session.run(["probabilities"], {"pixels": np.stack(images)})[0]

    def answer(self, probabilities):
        """The five most probable classes of an image, as a document."""
        best = np.argpartition(probabilities, -5)[-5:] if len(probabilities) > 5 else np.arange(len(probabilities))
        best = best[np.argsort(-probabilities[best])]
        return {"predictions": [{"label": self.labels[i], "score": float(probabilities[i])} for i in best]}


def end_with_benchmark():
    """Makes this process the first of a group, and ends the group when the benchmark, which holds standard input open,
    has gone."""
    os.setpgid(0, 0)

    def wait():
        # Not by `sys.stdin`: forked processes close it, and would wait for the lock that this thread holds.
        while os.read(0, 1):
            pass
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=wait, daemon=True).start()

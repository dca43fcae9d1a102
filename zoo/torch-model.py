"""The model of this folder in PyTorch: network.json describes the layers, model.safetensors has their tensors.

    pip install torch safetensors pillow
    python model.py photo.jpg

    from model import Classifier
    model = Classifier().eval()
    logits = model(pixels)          # uint8 or float, [n, height, width, 3], RGB, 0 to 255; not scaled

`network.json` names each layer, what it reads and which tensors it has. The first layer scales the pixels.
"""

import json
import math
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file

FOLDER = Path(__file__).parent


def padded(x, padding, value=0.0):
    sides = (padding["left"], padding["right"], padding["top"], padding["bottom"])
    return F.pad(x, sides, value=value) if any(sides) else x


def average_pool(x, layer):
    def means(values):
        return F.avg_pool2d(padded(values, layer["padding"]), layer["kernel"], layer["stride"])

    # Without the padding, a mean is over those cells alone that belong to the map.
    return means(x) if layer["count_padding"] else means(x) / means(torch.ones_like(x[:1, :1]))


ACTIVATIONS = {
    "relu": F.relu,
    "relu6": F.relu6,
    "elu": F.elu,
    "selu": F.selu,
    "sigmoid": torch.sigmoid,
    "hard_sigmoid": lambda x: torch.clamp(0.2 * x + 0.5, 0, 1),
    "keras3_hard_sigmoid": F.hardsigmoid,
    "tanh": torch.tanh,
    "softplus": F.softplus,
    "swish": F.silu,
    "hard_swish": F.hardswish,
}


class Classifier(torch.nn.Module):
    """From pixels to logits. Its state dict has the tensors of `model.safetensors`, with `__` for each dot."""

    def __init__(self, folder=FOLDER):
        super().__init__()
        description = json.loads((Path(folder) / "network.json").read_text(encoding="utf-8"))
        self.layers = description["layers"]
        self.output = description["logits"]
        for name, tensor in load_file(Path(folder) / "model.safetensors").items():
            kind = torch.nn.Parameter if tensor.is_floating_point() and "running_" not in name else torch.nn.Buffer
            setattr(self, name.replace(".", "__"), kind(tensor.float() if tensor.is_floating_point() else tensor))

    def tensor(self, name):
        return None if name is None else getattr(self, name.replace(".", "__"))

    def forward(self, pixels):
        values = {"pixels": pixels.permute(0, 3, 1, 2).float()}
        for layer in self.layers:
            values[layer["name"]] = self.compute(layer, [values[name] for name in layer["inputs"]])
        return values[self.output]

    def compute(self, layer, inputs):
        x, kind = inputs[0], layer["kind"]
        if kind == "normalize":
            shape = (1, -1, 1, 1) if x.dim() == 4 else (1, -1)
            scale, shift = (torch.tensor(layer[key], dtype=x.dtype, device=x.device) for key in ("scale", "shift"))
            return x * scale.view(shape) + shift.view(shape)
        if kind == "conv2d":
            x = padded(x, layer["padding"])
            weight, bias = self.tensor(layer["weight"]), self.tensor(layer["bias"])
            return F.conv2d(x, weight, bias, layer["stride"], groups=layer["groups"])
        if kind == "batch_norm":
            mean, variance, scale, shift = (self.tensor(layer[key]) for key in ("mean", "variance", "scale", "shift"))
            return F.batch_norm(x, mean, variance, scale, shift, training=False, eps=layer["epsilon"])
        if kind == "dense":
            weight = self.tensor(layer["weight"])
            return F.linear(x, weight.reshape(len(weight), -1), self.tensor(layer["bias"]))
        if kind == "activation":
            return ACTIVATIONS[layer["function"]](x)
        if kind == "leaky_relu":
            return F.leaky_relu(x, layer["slope"])
        if kind == "max_pool":
            return F.max_pool2d(padded(x, layer["padding"], -math.inf), layer["kernel"], layer["stride"])
        if kind == "average_pool":
            return average_pool(x, layer)
        if kind == "global_average_pool":
            return x.mean((2, 3))
        if kind == "zero_pad":
            return padded(x, layer["padding"])
        if kind == "crop":
            return padded(x, {side: -cells for side, cells in layer["removed"].items()})
        if kind == "add":
            return x + inputs[1]
        if kind == "multiply":
            return x * (inputs[1][:, :, None, None] if inputs[1].dim() < x.dim() else inputs[1])
        if kind == "concat":
            return torch.cat(inputs, 1)
        if kind == "flatten":
            return x.flatten(1)
        raise ValueError(f"network.json has a layer of an unknown kind: {kind}")


def read_pixels(path, folder=FOLDER):
    """A photo as the input of the model: [1, height, width, 3], uint8."""
    from PIL import Image, ImageOps

    recipe = json.loads((Path(folder) / "network.json").read_text(encoding="utf-8"))["preprocessing"]
    height, width = recipe["input_size"]
    kernel = getattr(Image.Resampling, recipe["interpolation"].upper())
    image = Image.open(path)
    if recipe["icc"] == "convert" and "icc_profile" in image.info:
        import io
        from PIL import ImageCms

        profile = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
        image = ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
    image = ImageOps.exif_transpose(image)
    if "A" in image.getbands() or "transparency" in image.info:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    image = image.convert("RGB")
    rows, columns = (math.floor(side / recipe["crop_pct"] + 1e-6) for side in (height, width))
    if recipe["resize_mode"] == "stretch":
        size = (columns, rows)
    else:
        across, down = columns / image.width, rows / image.height
        if recipe["resize_mode"] == "crop":
            factor, whole = max(across, down), lambda side: math.floor(side + 1e-6)
        else:
            factor, whole = min(across, down), lambda side: math.floor(side + 0.5)
        size = tuple(max(1, whole(side * factor)) for side in image.size)
    image = image.resize(size, kernel)
    left, top = (math.trunc(gap / 2) if gap < 0 else round(gap / 2) for gap in (size[0] - width, size[1] - height))
    canvas = Image.new("RGB", (width, height), tuple(recipe["pad_color"]))
    canvas.paste(image, (-left, -top))
    return torch.tensor(list(canvas.tobytes()), dtype=torch.uint8).view(1, height, width, 3)


if __name__ == "__main__":
    labels = json.loads((FOLDER / "labels.json").read_text(encoding="utf-8"))
    model = Classifier().eval()
    for photo in sys.argv[1:]:
        with torch.inference_mode():
            scores = model(read_pixels(photo)).softmax(1)[0]
        print(photo)
        for score, index in zip(*scores.topk(min(5, len(labels)))):
            print(f"  {100 * score:5.1f} %  {labels[index]['label']}")

"""Quantizes a model as ONNX Runtime's own tool does, and checks another one.

usage: onnxruntime_quantizer.py FLOAT.onnx PIXELS HEIGHT WIDTH OUT.onnx CHECKED.onnx
"""

import sys

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

model, pixels_path, height, width, out, checked = sys.argv[1:]
onnx.checker.check_model(checked, full_check=True)
pixels = np.fromfile(pixels_path, dtype=np.uint8).reshape(-1, 1, int(height), int(width), 3)


class Images(CalibrationDataReader):
    def __init__(self):
        self.images = iter(pixels)

    def get_next(self):
        image = next(self.images, None)
        return None if image is None else {"pixels": image}


prepared = out + ".prepared"
quant_pre_process(model, prepared)
# reduce_range: weights of 7 bits, which are right on processors without VNNI too.
quantize_static(
    prepared,
    out,
    Images(),
    quant_format=QuantFormat.QDQ,
    per_channel=True,
    reduce_range=True,
    activation_type=QuantType.QUInt8,
    weight_type=QuantType.QInt8,
)

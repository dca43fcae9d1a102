"""Corrupts pictures with the package imagecorruptions, for corruptions.parity.ts.

Reads JSON from standard input: {"side": 224, "pixels": base64 of RGB, "wanted": [[name, severity, draws], ...]}.
Writes a JSON list with one entry each: {"mean": ..., "deviation": ...} of the corrupted values over all draws, and
"pixels": base64 of the last draw.
"""
import base64
import json
import sys

import numpy as np

np.float_ = np.float64  # numpy 2 has no such name, which the package uses
from imagecorruptions import corrupt  # noqa: E402
from imagecorruptions.corruptions import _motion_blur  # noqa: E402

MOTION = [(10, 3), (15, 5), (15, 8), (15, 12), (20, 15)]

task = json.load(sys.stdin)
side = task["side"]
image = np.frombuffer(base64.b64decode(task["pixels"]), np.uint8).reshape(side, side, 3)


def corrupted(name, severity):
    if name == "motion_blur":
        radius, sigma = MOTION[severity - 1]
        return np.uint8(np.clip(_motion_blur(image, radius=radius, sigma=sigma, angle=30), 0, 255))
    return corrupt(image, corruption_name=name, severity=severity)


np.random.seed(0)
answers = []
for name, severity, draws in task["wanted"]:
    made = [corrupted(name, severity) for _ in range(draws)]
    values = np.stack(made).astype(np.float64)
    answers.append({
        "mean": values.mean(),
        "deviation": values.std(),
        "pixels": base64.b64encode(made[-1].tobytes()).decode(),
    })
json.dump(answers, sys.stdout)

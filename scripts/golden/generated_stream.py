"""The generated numbers of scripts/generated-tensors.ts, for the reference scripts beside this file."""

import numpy as np


def stream(name, count, low, high):
    """Values in low..high: FNV-1a of the name seeds mulberry32. Computed in float64, returned as float32."""
    seed = 0x811C9DC5
    for byte in name.encode():
        seed = (seed ^ byte) * 0x01000193 & 0xFFFFFFFF
    state = np.uint32(seed) + np.uint32(0x6D2B79F5) * np.arange(1, count + 1, dtype=np.uint32)
    mixed = (state ^ state >> np.uint32(15)) * (state | np.uint32(1))
    mixed ^= mixed + (mixed ^ mixed >> np.uint32(7)) * (mixed | np.uint32(61))
    uniform = (mixed ^ mixed >> np.uint32(14)).astype(np.float64) / 2**32
    return (low + (high - low) * uniform).astype(np.float32)

"""Makes the HEIC files of this folder, and beside each a PNG of the pixels that pillow-heif decodes it to.

Needs Pillow, numpy and pillow-heif, which has an HEVC encoder. `python make.py` writes into its own folder.
"""

from pathlib import Path

import numpy as np
import pillow_heif
from PIL import Image

pillow_heif.register_heif_opener()
FOLDER = Path(__file__).parent
WIDTH, HEIGHT = 64, 64


def drawing(width, height):
    """Smooth waves with a red corner: shows shifts, turns and mirrors."""
    y, x = np.mgrid[0:height, 0:width].astype(float)
    waves = [128 + 90 * np.sin(x / 9), 128 + 90 * np.cos(y / 7), 128 + 100 * np.sin((x + y) / 15)]
    pixels = np.stack(waves, axis=-1).clip(0, 255).round().astype(np.uint8)
    pixels[: height // 3, : width // 3] = [230, 30, 20]
    return pixels


def save(name, file, **options):
    path = FOLDER / f'{name}.heic'
    file.save(path, quality=70, **options)
    decoded = Image.open(path)
    decoded = decoded.convert('RGBA') if decoded.mode == 'RGBa' else decoded
    decoded.save(path.with_suffix('.png'), optimize=True)


pixels = drawing(WIDTH, HEIGHT)
save('plain', Image.fromarray(pixels))

odd = drawing(51, 37)
save('odd-size', Image.fromarray(odd))

alpha = np.full((HEIGHT, WIDTH, 1), 255, np.uint8)
alpha[HEIGHT // 2 :] = 64
save('alpha', Image.fromarray(np.concatenate([pixels, alpha], axis=-1)))

# Colours that are stored as they are seen on black.
light = (pixels * (alpha / 255.0)).round().astype(np.uint8)
multiplied = np.concatenate([light, alpha], axis=-1).tobytes()
save('premultiplied', pillow_heif.from_bytes(mode='RGBa', size=(WIDTH, HEIGHT), data=multiplied))

# pillow-heif takes the ten highest bits.
deep = (pixels.astype(np.uint16) << 8).tobytes()
save('ten-bit', pillow_heif.from_bytes(mode='RGB;16', size=(WIDTH, HEIGHT), data=deep))

two = pillow_heif.from_pillow(Image.new('RGB', (32, 48), (0, 255, 0)))
two.add_from_pillow(Image.fromarray(pixels))
save('second-is-primary', two, primary_index=1)

"""Makes the CMYK JPEGs of this folder, and beside each a PNG of the pixels that Pillow converts it to.

Needs Pillow and numpy. `python make.py` writes into its own folder.
"""

import io
from pathlib import Path

import numpy as np
from PIL import Image

FOLDER = Path(__file__).parent
SIDE = 24

# Every ink on its own in a quarter, and smooth mixtures.
y, x = np.mgrid[0:SIDE, 0:SIDE]
inks = np.stack([x * 10, y * 10, (x + y) * 5, (x * y) % 90], axis=-1).astype(np.uint8)
for quarter, ink in enumerate([(255, 0, 0, 0), (0, 255, 0, 0), (0, 0, 255, 0), (0, 0, 0, 255)]):
    inks[16:24, quarter * 6 : quarter * 6 + 6] = ink

buffer = io.BytesIO()
Image.fromarray(inks, mode='CMYK').save(buffer, 'JPEG', quality=92)
adobe = buffer.getvalue()
# The segment is 0xffee, a length of 14, and ends with the transform: 0 for CMYK, 2 for YCCK.
at = adobe.index(b'\xff\xee\x00\x0eAdobe')
files = {
    'adobe': adobe,
    'ycck': adobe[: at + 15] + b'\x02' + adobe[at + 16 :],
    'not-adobe': adobe[:at] + adobe[at + 16 :],
}
for name, data in files.items():
    path = FOLDER / f'{name}.jpg'
    path.write_bytes(data)
    Image.open(path).convert('RGB').save(path.with_suffix('.png'), optimize=True)

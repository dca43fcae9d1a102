"""Makes the JPEGs of this folder, of the kinds that sharp cannot write: with restart markers, at each row and at each
third unit; their size is no multiple of a block.

Needs Pillow and numpy. `python make.py` writes into its own folder.
"""

from pathlib import Path

import numpy as np
from PIL import Image

FOLDER = Path(__file__).parent
y, x = np.mgrid[0:65, 0:49]
drawing = np.stack([(x * 5) % 256, (y * 4) % 256, (x * y) % 256], axis=-1).astype(np.uint8)
image = Image.fromarray(drawing)
image.save(FOLDER / 'restart-rows.jpg', quality=60, subsampling='4:2:0', restart_marker_rows=1)
image.save(FOLDER / 'restart-units.jpg', quality=60, subsampling='4:2:2', restart_marker_blocks=3)
image.convert('L').save(FOLDER / 'restart-grey.jpg', quality=60, restart_marker_rows=1)

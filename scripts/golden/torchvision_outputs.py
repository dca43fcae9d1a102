"""Reference outputs of torchvision's networks on generated weights, for test/golden/torchvision.

    python scripts/golden/torchvision_outputs.py mobilenet_v2 squeezenet1_1 --out test/golden/torchvision

Needs torch and torchvision. The values of a tensor follow from its name and shape alone, by the rules of
scripts/generated-tensors.ts, so that a test can generate the same weights without a weights file. The input is
normalised already: 8 x 8 cells of one colour each, stretched over the image.
"""

import argparse
import base64
import json
from pathlib import Path

import numpy as np
import torch
import torchvision
from generated_stream import stream

PREFIX = 'golden/v1/'
CELLS = 8


def bounds(name, shape):
    if name.endswith('.running_var'):
        return 0.5, 1.5
    if name.endswith(('.running_mean', '.bias')):
        return -0.1, 0.1
    if len(shape) == 1:
        return 0.8, 1.2
    bound = float(np.sqrt(6 / np.prod(shape[1:])))
    return -bound, bound


def generated(name, shape):
    low, high = bounds(name, shape)
    return torch.from_numpy(stream(PREFIX + name, int(np.prod(shape)), low, high).reshape(shape))


def chessboard(images, side):
    cells = stream(f'{PREFIX}input', images * 3 * CELLS * CELLS, -2, 2).reshape(images, 3, CELLS, CELLS)
    index = np.arange(side) * CELLS // side
    return torch.from_numpy(cells[:, :, index][:, :, :, index])


def features_of(model, x):
    """The input of the last dense layer; in a network without one, the mean of each channel of its last map."""
    linear = [module for module in model.modules() if isinstance(module, torch.nn.Linear)]
    if not linear:
        return model.features(x).mean((2, 3))
    seen = []
    hook = linear[-1].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    model(x)
    hook.remove()
    return seen[0]


def base64_of(tensor):
    return base64.b64encode(tensor.contiguous().numpy().astype('<f4').tobytes()).decode()


def reference(architecture, side):
    model = torchvision.models.get_model(architecture, weights=None).eval()
    shapes = {
        name: list(tensor.shape)
        for name, tensor in model.state_dict().items()
        if not name.endswith('.num_batches_tracked')
    }
    weights = {name: generated(name, shape) for name, shape in shapes.items()}
    model.load_state_dict(weights, strict=False)
    first = next(iter(shapes))
    with torch.no_grad():
        x = chessboard(2, side)
        logits, features = model(x), features_of(model, x)
    return {
        'arch': architecture,
        'source': f'torchvision {torchvision.__version__.split("+")[0]}, torch {torch.__version__.split("+")[0]}',
        'prefix': PREFIX,
        'input_shape_nchw': [2, 3, side, side],
        'inference_parameters': sum(parameter.numel() for parameter in model.parameters()),
        'first_weight_values': {first: weights[first].flatten()[:4].tolist()},
        'logits_shape': list(logits.shape),
        'logits_f32_base64': base64_of(logits),
        'features_shape': list(features.shape),
        'features_f32_base64': base64_of(features),
        'tensors': shapes,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('architectures', nargs='+')
    parser.add_argument('--side', type=int, default=224, help='height and width of the images, in pixels')
    parser.add_argument('--out', type=Path, required=True)
    options = parser.parse_args()
    torch.manual_seed(0)
    for architecture in options.architectures:
        path = options.out / f'{architecture}.json'
        path.write_text(json.dumps(reference(architecture, options.side)) + '\n')
        print(path)


if __name__ == '__main__':
    main()

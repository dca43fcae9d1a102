"""Keras 3 networks with reference outputs, as TF.js layers models and in Keras's own files, for test/golden.

    python scripts/golden/keras_models.py MobileNetV2 flowers --out FOLDER
    python scripts/golden/keras_models.py small_functional small_sequential --out test/golden/keras

Needs keras with a backend, such as jax. Each model is a folder: model.json and weights.bin, laid out as
TensorFlow.js's converter does, model.keras, model.h5, and expected.json with the input's shape and the probabilities. The values of a weight
follow from its name and shape, and those of the input from its shape, by the rules of scripts/generated-tensors.ts.
"""

import argparse
import json
from pathlib import Path

import keras
import numpy as np
from generated_stream import stream
from keras import layers

CLASSES = 7


def small_functional():
    """Squeeze-and-excitation, hard sigmoid and swish in the ways of Keras's own networks."""
    x = pixels = keras.Input((36, 34, 3))
    x = layers.CenterCrop(32, 32)(x)
    x = layers.RandomFlip('horizontal')(x)
    x = x / 127.5 - 1.0
    x = layers.Conv2D(8, 3, strides=2, padding='same', activation='hard_silu', name='first')(x)
    x = layers.BatchNormalization(name='norm')(x)
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    gate = layers.Conv2D(4, 1, activation='relu', name='squeeze')(gate)
    gate = layers.Conv2D(8, 1, name='excite')(gate)
    gate = layers.ReLU(6.0)(gate + 3.0) * (1.0 / 6.0)
    x = layers.Multiply()([x, gate])
    x = layers.SeparableConv2D(12, 3, activation='swish', name='separable')(x)
    x = layers.DepthwiseConv2D(3, name='depthwise')(x)
    gate = layers.Reshape((1, 1, 12))(layers.GlobalAveragePooling2D()(x))
    x = x * layers.Conv2D(12, 1, activation='hard_sigmoid', name='second_gate')(gate)
    x = layers.Add()([x, layers.Activation('relu6')(x)])
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dense(9, activation='leaky_relu', name='hidden')(x)
    return keras.Model(pixels, layers.Dense(CLASSES, activation='softmax', name='classes')(x))


def small_sequential():
    """A nested model, augmentation and Normalization."""
    augmentation = keras.Sequential([layers.RandomFlip('horizontal'), layers.RandomRotation(0.1), layers.RandomZoom(0.1)])
    inner = keras.Input((24, 24, 3))
    base = keras.Model(inner, layers.Conv2D(6, 3, strides=2, name='inner_conv')(inner), name='base')
    return keras.Sequential(
        [
            keras.Input((24, 24, 3)),
            augmentation,
            layers.Resizing(24, 24),
            layers.Rescaling(1.0 / 127.5, offset=-1.0),
            layers.Normalization(name='normalization'),
            base,
            layers.LeakyReLU(negative_slope=0.1),
            layers.MaxPooling2D(padding='same'),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(CLASSES, name='classes'),
            layers.Softmax(),
        ]
    )


def flowers():
    """The network of TensorFlow's tutorial on image classification."""
    return keras.Sequential(
        [
            keras.Input((180, 180, 3)),
            keras.Sequential([layers.RandomFlip('horizontal'), layers.RandomRotation(0.1), layers.RandomZoom(0.1)]),
            layers.Rescaling(1.0 / 255),
            layers.Conv2D(16, 3, padding='same', activation='relu'),
            layers.MaxPooling2D(),
            layers.Conv2D(32, 3, padding='same', activation='relu'),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, padding='same', activation='relu'),
            layers.MaxPooling2D(),
            layers.Dropout(0.2),
            layers.Flatten(),
            layers.Dense(128, activation='relu'),
            layers.Dense(5, name='outputs'),
        ]
    )


def transfer():
    """A fine-tuned MobileNetV2 as in Keras's guide on transfer learning."""
    base = keras.applications.MobileNetV2(weights=None, include_top=False, input_shape=(96, 96, 3))
    pixels = keras.Input((96, 96, 3))
    x = layers.RandomFlip('horizontal')(pixels)
    x = keras.applications.mobilenet_v2.preprocess_input(x)
    x = layers.GlobalAveragePooling2D()(base(x, training=False))
    return keras.Model(pixels, layers.Dense(CLASSES, name='outputs')(layers.Dropout(0.2)(x)))


def vgg_like():
    """Stacked convolutions and dense layers, as in VGG-16."""
    model = keras.Sequential([keras.Input((32, 32, 3)), layers.Rescaling(1.0 / 255)])
    for width, count in ((16, 2), (24, 2), (32, 3)):
        for _ in range(count):
            model.add(layers.Conv2D(width, 3, padding='same', activation='relu'))
        model.add(layers.MaxPooling2D(2, strides=2))
    for each in (layers.Flatten(), layers.Dense(48, activation='relu'), layers.Dense(32, activation='relu')):
        model.add(each)
    model.add(layers.Dense(CLASSES, activation='softmax', name='predictions'))
    return model


BUILDERS = {build.__name__: build for build in (small_functional, small_sequential, flowers, transfer, vgg_like)}
SIZES = {'InceptionV3': 96, 'Xception': 96}
# Networks that do not scale pixels themselves.
UNSCALED = ('MobileNetV2', 'ResNet50V2', 'InceptionV3', 'Xception')


def build(name):
    if name in BUILDERS:
        return BUILDERS[name]()
    size = SIZES.get(name, 64)
    return getattr(keras.applications, name)(weights=None, classes=CLASSES, input_shape=(size, size, 3))


def weight_name(weight):
    """As TensorFlow.js's converter names weights: layer and variable."""
    return '/'.join(weight.path.split('/')[-2:])


def generated(name, shape):
    if name.endswith('variance'):
        low, high = 0.5, 1.5
    elif len(shape) == 1:
        low, high = (0.8, 1.2) if name.endswith('gamma') else (-0.1, 0.1)
    else:
        bound = float(np.sqrt(6 / np.prod(shape[:2] if 'depthwise' in name else shape[:-1])))
        low, high = -bound, bound
    return stream(name, int(np.prod(shape)), low, high).reshape(shape)


def soften(model, picture):
    """Scales the last kernel so that the logits differ by 3: a softmax of 0s and 1s would hide differences."""
    last = next((layer for layer in model.layers if layer.name in ('predictions', 'logits') and layer.weights), None)
    if last is not None:
        features = np.asarray(keras.Model(model.inputs, last.input).predict(picture, verbose=0))
        kernel = last.kernel.numpy()
        logits = features.reshape(len(picture), -1) @ kernel.reshape(-1, CLASSES)
        last.kernel.assign(kernel * (3 / np.ptp(logits)))


def save(name, folder):
    keras.utils.clear_session()
    model = build(name)
    for weight in model.weights:
        if weight.dtype == 'float32':
            weight.assign(generated(weight_name(weight), weight.shape))
    for layer in model.layers:
        if isinstance(layer, layers.Normalization):
            layer.finalize_state()  # It computes with copies of its weights.
    shape = [2, *model.input_shape[1:]]
    low, high = (-1, 1) if name in UNSCALED else (0, 255)
    picture = stream('picture', int(np.prod(shape)), low, high).reshape(shape)
    soften(model, picture)
    entries, parts = [], []
    for weight in model.weights:
        values = weight.numpy()
        values = values.astype('int32') if values.dtype != np.float32 else values
        entries.append({'name': weight_name(weight), 'shape': list(values.shape), 'dtype': str(values.dtype)})
        parts.append(values.tobytes())
    topology = {'keras_version': keras.__version__, 'backend': 'tensorflow', 'model_config': json.loads(model.to_json())}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / 'model.json').write_text(
        json.dumps(
            {
                'format': 'layers-model',
                'generatedBy': f'keras v{keras.__version__}',
                'modelTopology': topology,
                'weightsManifest': [{'paths': ['weights.bin'], 'weights': entries}],
            }
        )
    )
    (folder / 'weights.bin').write_bytes(b''.join(parts))
    for ending in ('keras', 'h5'):
        model.save(folder / f'model.{ending}')
    outputs = np.asarray(model.predict(picture, verbose=0))
    if name in ('flowers', 'transfer'):
        outputs = np.asarray(keras.ops.softmax(outputs))
    expected = {'shape': shape, 'range': [low, high], 'probabilities': [[round(float(x), 7) for x in row] for row in outputs]}
    (folder / 'expected.json').write_text(json.dumps(expected) + '\n')


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument('names', nargs='+')
parser.add_argument('--out', type=Path, required=True)
arguments = parser.parse_args()
for each in arguments.names:
    save(each, arguments.out / each)

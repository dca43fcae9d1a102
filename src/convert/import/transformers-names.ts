/** Parts of the names that transformers gives the modules of a ResNet, and torchvision's, which are ours. */
const RESNET: readonly (readonly [RegExp, string | ((...parts: string[]) => string)])[] = [
  [/^resnet\.embedder\.embedder\.convolution\./, 'conv1.'],
  [/^resnet\.embedder\.embedder\.normalization\./, 'bn1.'],
  [
    /^resnet\.encoder\.stages\.(\d+)\.layers\.(\d+)\./,
    (_, stage = '', block = '') => `layer${Number(stage) + 1}.${block}.`,
  ],
  [/\.shortcut\.convolution\./, '.downsample.0.'],
  [/\.shortcut\.normalization\./, '.downsample.1.'],
  [/\.layer\.(\d)\.convolution\./, (_, index = '') => `.conv${Number(index) + 1}.`],
  [/\.layer\.(\d)\.normalization\./, (_, index = '') => `.bn${Number(index) + 1}.`],
  [/^classifier\.1\./, 'fc.'],
];

/**
 * Names of tensors in our terms, when transformers wrote them: `ResNetForImageClassification` is the same network under
 * other names. https://github.com/huggingface/transformers, `models/resnet/modeling_resnet.py`
 *
 * @returns the given names when they are others
 */
export function withoutTransformersNames(names: readonly string[]): readonly string[] {
  if (!names.some((name) => name.startsWith('resnet.embedder.'))) return names;
  return names.map((name) =>
    RESNET.reduce((before, [part, ours]) => before.replace(part, ours as (...parts: string[]) => string), name),
  );
}

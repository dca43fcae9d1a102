import { describe, expect, test } from 'vitest';
import { AnyCheckpoint, GeneratedTensors } from '../../scripts/generated-tensors.ts';
import { earlierMaps } from '../../src/convert/graph/earlier-maps.ts';
import { type Graph, nodesUpTo, weightsOf } from '../../src/convert/graph/graph.ts';
import { pixels } from '../../src/convert/graph/ir.ts';
import { buildBackbone, buildNetwork, NAMED_ARCHITECTURES, parseArchitecture } from '../../src/convert/network.ts';
import { trainedValues } from './trained-values.ts';

describe('an architecture in a manifest', () => {
  test('is a name or a table, and the name stands for the table', () => {
    const table = { family: 'resnet', block: 'basic', layers: [2, 2, 2, 2] };
    expect(parseArchitecture('resnet18')).toEqual(parseArchitecture(table));
  });

  test('survives JSON', () => {
    for (const name of Object.keys(NAMED_ARCHITECTURES)) {
      const architecture = parseArchitecture(name);
      expect(parseArchitecture(JSON.parse(JSON.stringify(architecture)))).toEqual(architecture);
    }
  });

  test.each([
    ['resnet19', 'there is no architecture "resnet19"'],
    ['toString', 'there is no architecture "toString"'],
    [{ family: 'perceptron' }, 'there is no family "perceptron"; the known ones are alexnet, '],
    [{ family: 'vgg', features: [8], head: { from: 'pixels' } }, 'head.from'],
    [{ family: 'resnet', block: 'basic', layers: [2, 0] }, 'layers[1]'],
    [{ family: 'resnet', block: 'basic', layers: [2], depth: 3 }, 'depth'],
    [undefined, 'the architecture is not valid'],
  ])('%j is refused', (value, message) => {
    expect(() => parseArchitecture(value)).toThrow(message);
  });
});

describe('named architectures', () => {
  /** Parameters as torchvision and timm count them: trained values, with 1000 classes. */
  test.each<[string, number, number, number, number]>([
    ['resnet18', 224, 11_689_512, 512, 7],
    ['resnet34', 224, 21_797_672, 512, 7],
    ['resnet50', 224, 25_557_032, 2048, 7],
    ['resnet101', 160, 44_549_160, 2048, 5],
    ['resnet152', 224, 60_192_808, 2048, 7],
    ['resnext50_32x4d', 224, 25_028_904, 2048, 7],
    ['wide_resnet50_2', 224, 68_883_240, 2048, 7],
    ['vgg11', 224, 132_863_336, 4096, 14],
    ['vgg13_bn', 224, 133_053_736, 4096, 14],
    ['vgg16', 224, 138_357_544, 4096, 14],
    ['vgg19', 448, 143_667_240, 4096, 28],
    ['vgg19_bn', 224, 143_678_248, 4096, 14],
    ['inception_v3', 299, 23_834_568, 2048, 8],
    ['googlenet', 224, 6_624_904, 1024, 7],
    ['densenet121', 224, 7_978_856, 1024, 7],
    ['densenet161', 224, 28_681_000, 2208, 7],
    ['densenet169', 224, 14_149_480, 1664, 7],
    ['densenet201', 224, 20_013_928, 1920, 7],
    ['alexnet', 224, 61_100_840, 4096, 13],
    ['efficientnet_lite0', 224, 4_652_008, 1280, 7],
    ['efficientnet_lite1', 240, 5_416_680, 1280, 8],
    ['efficientnet_lite2', 260, 6_092_072, 1280, 9],
    ['efficientnet_lite3', 280, 8_197_096, 1280, 9],
    ['efficientnet_lite4', 300, 13_006_568, 1280, 10],
    ['mobilenet_v2', 224, 3_504_872, 1280, 7],
    ['squeezenet1_0', 224, 1_248_424, 512, 13],
    ['squeezenet1_1', 224, 1_235_496, 512, 13],
  ])('%s at %i pixels', (name, size, parameters, features, side) => {
    const backbone = buildBackbone(parseArchitecture(name), new AnyCheckpoint(), pixels([size, size]));
    const entering = backbone.features();
    expect(entering.shape.length).toBe(features);
    expect(backbone.activations.shape).toMatchObject({ height: side, width: side });
    expect(trainedValues(nodesUpTo([entering])) + (features + 1) * 1000).toBe(parameters);
  });

  test.each<[string, number, Record<string, string>]>([
    [
      'resnet50',
      224,
      { relu: '112x64', 'layer1.2.relu': '56x256', 'layer2.3.relu': '28x512', 'layer3.5.relu': '14x1024' },
    ],
    [
      'vgg11_bn_slim',
      64,
      { 'features.2': '64x32', 'features.6': '32x64', 'features.13': '16x128', 'features.20': '8x256' },
    ],
    // Dense layers between its last map and its features, so the last map is an earlier map too.
    ['alexnet', 224, { 'features.1': '55x64', 'features.4': '27x192', 'features.11': '13x256' }],
    // Its first convolutions remove borders: 149 and 147 pixels are one scale, 73 and 71 another.
    [
      'inception_v3',
      299,
      { 'Conv2d_2b_3x3.relu': '147x64', 'Conv2d_4a_3x3.relu': '71x192', Mixed_5d: '35x288', Mixed_6e: '17x768' },
    ],
  ])('%s at %i pixels ends its stages with these maps', (name, size, expected) => {
    const { activations, features } = buildBackbone(parseArchitecture(name), new AnyCheckpoint(), pixels([size, size]));
    const maps = earlierMaps(activations, features());
    expect(Object.fromEntries(maps.map((map) => [map.name, `${map.shape.height}x${map.shape.channels}`]))).toEqual(
      expected,
    );
  });

  test('VGG takes images whose last map can be pooled evenly, and refuses others', () => {
    const vgg = (size: number) => buildBackbone(parseArchitecture('vgg11'), new AnyCheckpoint(), pixels([size, size]));
    expect(vgg(256).features().shape.length).toBe(4096);
    expect(() => vgg(320).features()).toThrow('a map of 10x10 cannot be pooled evenly to 7x7');
  });

  test('a table that contradicts itself is refused', () => {
    const resnet = (table: object) =>
      buildBackbone(parseArchitecture({ family: 'resnet', ...table }), new AnyCheckpoint(), pixels([64, 64]));
    expect(() => resnet({ block: 'basic', layers: [1, 1, 1, 1, 1] })).toThrow('5 stages needs 5 widths, not 4');
    expect(() => resnet({ block: 'basic', layers: [1], groups: 2 })).toThrow('need the block "bottleneck"');
  });
});

describe('names of tensors in checkpoints', () => {
  const rgb = { mean: [0, 0, 0], std: [1, 1, 1], inputSize: [32, 32] } as const;
  const vgg = { family: 'vgg', features: [4, 'M'], pool: 2, hidden: [6, 5] };
  const convolution = { 'features.0.weight': [4, 3, 3, 3], 'features.0.bias': [4] };

  test("torchvision's VGG, and timm's, whose dense layers are convolutions", () => {
    const torchvision = buildNetwork(
      parseArchitecture(vgg),
      new GeneratedTensors('', {
        ...convolution,
        ...denseTensors('classifier.0', [6, 16]),
        ...denseTensors('classifier.3', [5, 6]),
        ...denseTensors('classifier.6', [3, 5]),
      }),
      rgb,
    );
    const timm = buildNetwork(
      parseArchitecture(vgg),
      new GeneratedTensors('', {
        ...convolution,
        ...denseTensors('pre_logits.fc1', [6, 4, 2, 2]),
        ...denseTensors('pre_logits.fc2', [5, 6, 1, 1]),
        ...denseTensors('head.fc', [3, 5]),
      }),
      rgb,
    );
    const kinds = ({ nodes }: Graph) => nodes.map(({ operation, shape }) => [operation.kind, shape]);
    expect(kinds(timm)).toEqual(kinds(torchvision));
  });

  test("DenseNet's first checkpoints have a dot before the number", () => {
    const dotted = new AnyCheckpoint((name) => name.includes('norm.1.'));
    const { features } = buildBackbone(parseArchitecture('densenet121'), dotted, pixels([64, 64]));
    const names = nodesUpTo([features()])
      .flatMap(weightsOf)
      .map(({ name }) => name);
    expect(names).toContain('features.denseblock1.denselayer1.norm.1.weight');
    expect(names).toContain('features.denseblock4.denselayer16.conv.2.weight');
    expect(names).toContain('features.transition1.norm.weight');
  });

  test("EfficientNet-Lite by its authors' names and by timm's", () => {
    const namesFor = (has: (name: string) => boolean) => {
      const { features } = buildBackbone(
        parseArchitecture('efficientnet_lite0'),
        new AnyCheckpoint(has),
        pixels([64, 64]),
      );
      return nodesUpTo([features()])
        .flatMap(weightsOf)
        .map(({ name }) => name);
    };
    const [original, timm] = [namesFor((name) => name === '_conv_stem.weight'), namesFor(() => false)];
    const at = (name: string) => timm[original.indexOf(name)];
    expect(at('_conv_stem.weight')).toBe('conv_stem.weight');
    expect(at('_blocks.0._depthwise_conv.weight')).toBe('blocks.0.0.conv_dw.weight');
    expect(at('_blocks.0._project_conv.weight')).toBe('blocks.0.0.conv_pw.weight');
    expect(at('_blocks.2._expand_conv.weight')).toBe('blocks.1.1.conv_pw.weight');
    expect(at('_blocks.15._bn2.running_var')).toBe('blocks.6.0.bn3.running_var');
    expect(at('_bn1.bias')).toBe('bn2.bias');
  });

  test("MobileNetV2 by torchvision's names and by timm's", () => {
    const namesFor = (has: (name: string) => boolean) => {
      const { features } = buildBackbone(parseArchitecture('mobilenet_v2'), new AnyCheckpoint(has), pixels([64, 64]));
      return nodesUpTo([features()])
        .flatMap(weightsOf)
        .map(({ name }) => name);
    };
    const [torchvision, timm] = [namesFor(() => false), namesFor((name) => name === 'conv_stem.weight')];
    const at = (name: string) => timm[torchvision.indexOf(name)];
    expect(at('features.0.0.weight')).toBe('conv_stem.weight');
    expect(at('features.1.conv.0.0.weight')).toBe('blocks.0.0.conv_dw.weight');
    expect(at('features.1.conv.1.weight')).toBe('blocks.0.0.conv_pw.weight');
    expect(at('features.3.conv.0.0.weight')).toBe('blocks.1.1.conv_pw.weight');
    expect(at('features.17.conv.3.running_var')).toBe('blocks.6.0.bn3.running_var');
    expect(at('features.18.1.bias')).toBe('bn2.bias');
  });

  test('the error for a wrong depth names a tensor without a layer', () => {
    const tensors = new GeneratedTensors('', {
      ...convolution,
      ...denseTensors('classifier.0', [3, 16]),
      'features.3.weight': [4, 4, 3, 3],
    });
    const shallow = parseArchitecture({ ...vgg, hidden: [] });
    expect(() => buildNetwork(shallow, tensors, rgb)).toThrow('"features.3.weight"');
  });

  test('the error for a wrong number of classes names the tensor', () => {
    const tensors = new GeneratedTensors('', { ...convolution, ...denseTensors('classifier.0', [3, 16]) });
    const options = { ...rgb, numClasses: 4 };
    expect(() => buildNetwork(parseArchitecture({ ...vgg, hidden: [] }), tensors, options)).toThrow(
      'tensor "classifier.0.weight" has shape [3,16]; this architecture needs [4,16]',
    );
  });
});

function denseTensors(name: string, shape: number[]): Record<string, number[]> {
  const [out = 0] = shape;
  return { [`${name}.weight`]: shape, [`${name}.bias`]: [out] };
}

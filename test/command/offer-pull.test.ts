import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { PullOptions } from '../../src/acquire/pull/pull-options.ts';
import { offerPull } from '../../src/command/offer-pull.ts';
import { Terminal } from '../../src/command/terminal.ts';
import { Registry } from '../../src/registry/registry.ts';
import { readZoo } from '../../src/registry/zoo.ts';

const registry = new Registry();
for (const absent of (await readZoo('zoo')).absent) registry.setAbsent(absent);

let terminal: Terminal;
let pulled: { name: string; backboneOnly: boolean | undefined }[];
let notes: string[];
const { signal } = new AbortController();

const pull = async (name: string, { backboneOnly, onProgress }: PullOptions) => {
  onProgress({ phase: 'download', done: 1, total: 2 });
  pulled.push({ name, backboneOnly });
};
const offer = (reference: string, { yes = false, asBackbone = false } = {}) =>
  offerPull(reference, { registry, pull, yes, asBackbone }, { terminal, signal });

beforeEach(() => {
  terminal = new Terminal(false);
  pulled = [];
  notes = [];
  vi.spyOn(terminal, 'note').mockImplementation((text) => void notes.push(text));
});

afterEach(() => vi.restoreAllMocks());

describe('a model that is named but not here', () => {
  it('is pulled with --yes, by its short name too', async () => {
    await offer('resnet50', { yes: true });
    expect(pulled).toEqual([{ name: 'resnet50.tv_in1k', backboneOnly: false }]);
    expect(notes).toEqual(['resnet50.tv_in1k: pulled']);
  });

  it('is pulled after a yes on the terminal, which is told its size', async () => {
    vi.spyOn(terminal, 'canAsk', 'get').mockReturnValue(true);
    const confirm = vi.spyOn(terminal, 'confirm').mockResolvedValue(true);
    await offer('resnet50.tv_in1k@1');
    expect(confirm).toHaveBeenCalledWith('resnet50.tv_in1k has not been pulled. Pull it now (103 MB)?', signal);
    expect(pulled).toHaveLength(1);
  });

  it('is not pulled after a no', async () => {
    vi.spyOn(terminal, 'canAsk', 'get').mockReturnValue(true);
    vi.spyOn(terminal, 'confirm').mockResolvedValue(false);
    await expect(offer('resnet50')).rejects.toThrow('resnet50.tv_in1k was not pulled');
    expect(pulled).toEqual([]);
  });

  it('is refused where nobody can be asked, with what to type', async () => {
    vi.spyOn(terminal, 'canAsk', 'get').mockReturnValue(false);
    await expect(offer('resnet50')).rejects.toThrow(
      'resnet50.tv_in1k has not been pulled: add --yes to pull it now (103 MB), or type npx menagerie pull resnet50.tv_in1k',
    );
  });

  it('is pulled as a backbone alone where that is enough and smaller', async () => {
    await offer('vgg16', { yes: true, asBackbone: true });
    await offer('resnet18', { yes: true, asBackbone: true });
    expect(pulled.map(({ backboneOnly }) => backboneOnly)).toEqual([true, false]);
  });

  it('is nothing to offer when the zoo has no such model', async () => {
    await offer('resnet51', { yes: true });
    expect(pulled).toEqual([]);
  });
});

import { COLOUR_FUNCTIONS, type ColourExports } from './jpeg/colours.ts';
import { HUFFMAN_FUNCTIONS, type HuffmanExports } from './jpeg/huffman-kernel.ts';
import { INVERSE_DCT_FUNCTIONS, type InverseDctExports } from './jpeg/inverse-dct.ts';
import { STUFFING_FUNCTIONS, type StuffingExports } from './jpeg/stuffing.ts';
import { FRACTION_BITS } from './resample.ts';
import { RESAMPLE_FUNCTIONS, type ResampleExports } from './resample-kernel.ts';
import { wasmModule } from './wasm-module.ts';

/** The functions that work on pixels, and their memory. All addresses and strides are in bytes. */
export interface PixelKernel
  extends ResampleExports,
    StuffingExports,
    HuffmanExports,
    InverseDctExports,
    ColourExports {
  readonly memory: { readonly buffer: ArrayBuffer; readonly grow: (pages: number) => number };
}

/** The memory of the kernel is kept up to this size, which is enough for photos of 4 megapixels; it never shrinks. */
const MAX_KEPT_BYTES = 16 * 2 ** 20;
const PAGE_BYTES = 2 ** 16;
const ALIGNMENT = 16;

/** The part of the JavaScript API that is used here; Node's types lack it. */
interface WebAssemblyApi {
  readonly Module: new (bytes: Uint8Array<ArrayBuffer>) => object;
  readonly Instance: new (module: object) => { readonly exports: unknown };
}

/** Makes the kernel; undefined where WebAssembly is switched off, or the processor has no vectors. */
function compile(): (() => PixelKernel) | undefined {
  try {
    const { Module, Instance } = (globalThis as unknown as { readonly WebAssembly: WebAssemblyApi }).WebAssembly;
    const functions = [
      ...RESAMPLE_FUNCTIONS(FRACTION_BITS),
      ...STUFFING_FUNCTIONS,
      ...HUFFMAN_FUNCTIONS,
      ...INVERSE_DCT_FUNCTIONS,
      ...COLOUR_FUNCTIONS,
    ];
    const module = new Module(wasmModule(functions));
    return () => new Instance(module).exports as PixelKernel;
  } catch {
    return undefined;
  }
}

/** Compiled when it is first asked for. */
let compiled: { readonly instantiate: (() => PixelKernel) | undefined } | undefined;
let kept: PixelKernel | undefined;

function instantiateKernel(): (() => PixelKernel) | undefined {
  compiled ??= { instantiate: compile() };
  return compiled.instantiate;
}

/** Whether there are kernels here. */
export function hasPixelKernel(): boolean {
  return instantiateKernel() !== undefined;
}

/** Plans the kernel's memory: what is taken lies one after the other. */
export class MemoryPlan {
  #end = 0;

  /** The address of so many bytes; whatever was there before is still there. */
  take(bytes: number): number {
    const address = this.#end;
    this.#end += Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
    return address;
  }

  /** A kernel with as much memory, which nobody else uses before the next is asked for. */
  kernel(): PixelKernel {
    const instantiate = instantiateKernel();
    if (instantiate === undefined) throw new Error('WebAssembly is not available');
    kept ??= instantiate();
    const kernel = this.#end > MAX_KEPT_BYTES ? instantiate() : kept;
    const missing = this.#end - kernel.memory.buffer.byteLength;
    if (missing > 0) kernel.memory.grow(Math.ceil(missing / PAGE_BYTES));
    return kernel;
  }
}

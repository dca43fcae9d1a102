/** Entry of the process that decodes HEIC images; `heic-decoder.ts` starts it and says what it answers. */
import { writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { messageOf } from '../common/errors.ts';
import { startHeartbeat } from '../common/watchdog.ts';
import { HEIC_MAX_MEMORY_MB, HEIC_PIXELS_FD, type HeicFault, type HeicTask } from './heic-messages.ts';

const PAGE_BYTES = 64 * 1024;
const MAX_PAGES = (HEIC_MAX_MEMORY_MB * 1024 * 1024) / PAGE_BYTES;

/** What is used of WebAssembly's interface, which the declarations of Node lack. */
interface WithWebAssembly {
  readonly WebAssembly: { readonly Memory: { readonly prototype: WasmMemory } };
}

interface WasmMemory {
  readonly buffer: ArrayBuffer;
  grow(this: WasmMemory, pages: number): number;
}

type Handle = { readonly brand: 'context' | 'image handle' | 'image' };
/** libheif answers with an object that has a code instead of what was asked for. */
interface Fault {
  readonly code: { readonly value: number };
  readonly message?: string;
}

interface Plane {
  readonly width: number;
  readonly height: number;
  /** Bytes from row to row. */
  readonly stride: number;
  /** A view of the decoder's memory. */
  readonly data: Uint8Array;
}

/** What is used of libheif's interface; the package has no declaration of its bundle. */
interface LibHeif {
  readonly heif_colorspace: { readonly heif_colorspace_RGB: object };
  readonly heif_chroma: { readonly heif_chroma_interleaved_RGB: object; readonly heif_chroma_interleaved_RGBA: object };
  heif_context_alloc(): Handle;
  heif_context_free(context: Handle): void;
  heif_context_read_from_memory(context: Handle, bytes: Uint8Array): Fault;
  heif_js_context_get_primary_image_handle(context: Handle): Handle | Fault;
  heif_image_handle_release(handle: Handle): void;
  heif_image_handle_get_width(handle: Handle): number;
  heif_image_handle_get_height(handle: Handle): number;
  heif_image_handle_has_alpha_channel(handle: Handle): number;
  heif_image_handle_is_premultiplied_alpha(handle: Handle): number;
  heif_js_decode_image2(
    handle: Handle,
    colorspace: object,
    chroma: object,
  ): Fault | { readonly image: Handle; readonly channels: readonly Plane[] };
  heif_image_release(image: Handle): void;
}

/** `heif_error_Unsupported_filetype`, `heif_error_Unsupported_feature` and `heif_error_Unsupported_color_conversion`. */
const UNSUPPORTED_CODES = new Set([3, 4, 10]);

class HeifFault extends Error {
  readonly unsupported: boolean;

  constructor({ code, message = 'libheif gave no reason' }: Fault) {
    super(message);
    this.unsupported = UNSUPPORTED_CODES.has(code.value);
  }
}

boundMemory();
const require = createRequire(import.meta.url);
const libheif = require('libheif-js/wasm-bundle') as LibHeif;
process.on('disconnect', () => process.exit());
process.on('message', (task: HeicTask) => {
  try {
    decode(task);
  } catch (thrown) {
    const unsupported = thrown instanceof HeifFault && thrown.unsupported;
    process.send?.({ reason: messageOf(thrown), unsupported } satisfies HeicFault);
  }
});
startHeartbeat();

/** libheif grows its memory by this method and fails when it throws. The memory never shrinks. */
function boundMemory(): void {
  const { prototype } = (globalThis as unknown as WithWebAssembly).WebAssembly.Memory;
  const { grow } = prototype;
  prototype.grow = function (pages) {
    if (this.buffer.byteLength / PAGE_BYTES + pages > MAX_PAGES) {
      throw new RangeError(`libheif may take ${HEIC_MAX_MEMORY_MB} MB`);
    }
    return grow.call(this, pages);
  };
}

function decode({ bytes, width, height }: HeicTask): void {
  const context = libheif.heif_context_alloc();
  try {
    const read = libheif.heif_context_read_from_memory(context, bytes);
    if (read.code.value !== 0) throw new HeifFault(read);
    const handle = succeeded(libheif.heif_js_context_get_primary_image_handle(context));
    try {
      // A size that the header did not tell is not decoded.
      const [wide, high] = [libheif.heif_image_handle_get_width(handle), libheif.heif_image_handle_get_height(handle)];
      if (wide !== width || high !== height) throw new Error(`its size is ${wide} x ${high}, not ${width} x ${height}`);
      decodeHandle(handle, { width, height });
    } finally {
      libheif.heif_image_handle_release(handle);
    }
  } finally {
    libheif.heif_context_free(context);
  }
}

function decodeHandle(handle: Handle, { width, height }: Pick<HeicTask, 'width' | 'height'>): void {
  const hasAlpha = libheif.heif_image_handle_has_alpha_channel(handle) !== 0;
  const { heif_chroma_interleaved_RGBA: rgba, heif_chroma_interleaved_RGB: rgb } = libheif.heif_chroma;
  const colours = libheif.heif_colorspace.heif_colorspace_RGB;
  const { image, channels } = succeeded(libheif.heif_js_decode_image2(handle, colours, hasAlpha ? rgba : rgb));
  try {
    const [plane] = channels;
    if (plane === undefined) throw new Error('it has no pixels');
    if (plane.width !== width || plane.height !== height) {
      throw new Error(`it was decoded to ${plane.width} x ${plane.height} pixels, not to ${width} x ${height}`);
    }
    write(Uint8Array.of(hasAlpha ? 4 : 3));
    if (hasAlpha && libheif.heif_image_handle_is_premultiplied_alpha(handle) !== 0) divideByAlpha(plane);
    const rowBytes = width * (hasAlpha ? 4 : 3);
    if (rowBytes === plane.stride) write(plane.data.subarray(0, height * rowBytes));
    else {
      const rows = Buffer.allocUnsafe(height * rowBytes);
      for (let row = 0; row < height; row += 1) {
        rows.set(plane.data.subarray(row * plane.stride, row * plane.stride + rowBytes), row * rowBytes);
      }
      write(rows);
    }
  } finally {
    libheif.heif_image_release(image);
  }
}

/** Colours that were multiplied with their alpha become what they were. */
function divideByAlpha({ data, width, height, stride }: Plane): void {
  for (let row = 0; row < height; row += 1) {
    const start = row * stride;
    for (let at = start; at < start + width * 4; at += 4) {
      const alpha = data[at + 3] ?? 0;
      if (alpha === 0 || alpha === 255) continue;
      for (let channel = at; channel < at + 3; channel += 1) {
        data[channel] = Math.min(255, Math.round(((data[channel] ?? 0) * 255) / alpha));
      }
    }
  }
}

function succeeded<T extends object>(result: T | Fault): T {
  if ('code' in result) throw new HeifFault(result);
  return result;
}

/** The pipe blocks until its reader has taken what is written. */
function write(bytes: Uint8Array): void {
  for (let written = 0; written < bytes.length; ) written += writeSync(HEIC_PIXELS_FD, bytes, written);
}

/** What computes in the browser: the graphics card, by WebGPU or WebGL, or the processor, by WebAssembly or JavaScript. */
export type BrowserBackend = 'webgpu' | 'webgl' | 'wasm' | 'cpu';

/** The backends, the fastest first. */
export const BACKENDS: readonly BrowserBackend[] = ['webgpu', 'webgl', 'wasm', 'cpu'];

/** How the page calls them. */
export const BACKEND_NAMES: Readonly<Record<BrowserBackend, string>> = {
  webgpu: 'the graphics card (WebGPU)',
  webgl: 'the graphics card (WebGL)',
  wasm: 'the processor (WebAssembly)',
  cpu: 'the processor (JavaScript, slow)',
};

/** Names of drivers that draw with the processor. */
const SOFTWARE_RENDERERS = /swiftshader|llvmpipe|softpipe|basic render/i;

/** Why a backend is not there, or no faster than those after it; undefined when there is nothing against it. */
export async function obstacleTo(backend: BrowserBackend): Promise<string | undefined> {
  if (backend === 'webgpu') return obstacleToWebgpu();
  if (backend === 'webgl') return obstacleToWebgl();
  return backend === 'wasm' && !('WebAssembly' in globalThis) ? 'This browser has no WebAssembly.' : undefined;
}

const NO_CARD = 'This browser has no graphics card: it draws with the processor.';

async function obstacleToWebgpu(): Promise<string | undefined> {
  if (!isSecureContext) return 'Browsers offer it over HTTPS and on this machine only.';
  // Browsers without it have no such property, whatever its type says.
  const gpu: GPU | undefined = navigator.gpu;
  const adapter = await gpu?.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter) return 'This browser has no WebGPU, or it is switched off.';
  const { vendor, architecture, device, description } = adapter.info;
  return isSoftware([vendor, architecture, device, description].join(' ')) ? NO_CARD : undefined;
}

function obstacleToWebgl(): string | undefined {
  const context = document.createElement('canvas').getContext('webgl2');
  if (context === null) return 'This browser has no WebGL 2, or it is switched off.';
  const names = context.getExtension('WEBGL_debug_renderer_info');
  const renderer: unknown = context.getParameter(names?.UNMASKED_RENDERER_WEBGL ?? context.RENDERER);
  // Browsers allow few contexts at a time.
  context.getExtension('WEBGL_lose_context')?.loseContext();
  return isSoftware(String(renderer)) ? NO_CARD : undefined;
}

/** @param renderer the name of a driver, for example `ANGLE (Google, Vulkan 1.3.0 (SwiftShader Device …` */
export function isSoftware(renderer: string): boolean {
  return SOFTWARE_RENDERERS.test(renderer);
}

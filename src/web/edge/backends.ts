/** What computes in the browser: the graphics card, by WebGL, or the processor, by WebAssembly or JavaScript. */
export type BrowserBackend = 'webgl' | 'wasm' | 'cpu';

/** The backends, the fastest first. */
export const BACKENDS: readonly BrowserBackend[] = ['webgl', 'wasm', 'cpu'];

/** How the page calls them. */
export const BACKEND_NAMES: Readonly<Record<BrowserBackend, string>> = {
  webgl: 'the graphics card (WebGL)',
  wasm: 'the processor (WebAssembly)',
  cpu: 'the processor (JavaScript, slow)',
};

/** Names of drivers that draw with the processor. */
const SOFTWARE_RENDERERS = /swiftshader|llvmpipe|softpipe|basic render/i;

/** Why a backend is not there, or no faster than those after it; undefined when there is nothing against it. */
export function obstacleTo(backend: BrowserBackend): string | undefined {
  if (backend === 'webgl') return obstacleToWebgl();
  return backend === 'wasm' && !('WebAssembly' in globalThis) ? 'This browser has no WebAssembly.' : undefined;
}

function obstacleToWebgl(): string | undefined {
  const context = document.createElement('canvas').getContext('webgl2');
  if (context === null) return 'This browser has no WebGL 2, or it is switched off.';
  const names = context.getExtension('WEBGL_debug_renderer_info');
  const renderer: unknown = context.getParameter(names?.UNMASKED_RENDERER_WEBGL ?? context.RENDERER);
  // Browsers allow few contexts at a time.
  context.getExtension('WEBGL_lose_context')?.loseContext();
  return isSoftware(String(renderer)) ? 'This browser has no graphics card: it draws with the processor.' : undefined;
}

/** @param renderer the name of a driver, for example `ANGLE (Google, Vulkan 1.3.0 (SwiftShader Device …` */
export function isSoftware(renderer: string): boolean {
  return SOFTWARE_RENDERERS.test(renderer);
}

import { defineConfig } from 'vite';

/** The page: from here to `dist/web`, of which the server gives away `index.html` and `assets`. */
export default defineConfig({
  root: import.meta.dirname,
  publicDir: false,
  build: {
    outDir: '../../dist/web',
    emptyOutDir: true,
    target: 'es2022',
    // The policy of the page lets nothing inline run.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // TensorFlow.js, which is loaded when a model is to run in the browser.
    chunkSizeWarningLimit: 2_000,
    reportCompressedSize: false,
  },
});

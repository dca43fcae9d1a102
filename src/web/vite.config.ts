import { defineConfig } from 'vite';

/** Builds the pages and the service worker of `edge.html` into `dist/web`, from where the server serves them and `assets`. */
export default defineConfig({
  root: import.meta.dirname,
  publicDir: false,
  // Relative addresses: a proxy may serve the page under a prefix.
  base: './',
  build: {
    outDir: '../../dist/web',
    emptyOutDir: true,
    target: 'es2022',
    // The content security policy of the page forbids inline code.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // TensorFlow.js, which is loaded on demand.
    chunkSizeWarningLimit: 2_000,
    reportCompressedSize: false,
    rolldownOptions: {
      input: ['index.html', 'edge.html', 'edge/worker.ts'].map((file) => `${import.meta.dirname}/${file}`),
      output: {
        // The address of a service worker must stay the same.
        entryFileNames: ({ name }) => (name === 'worker' ? 'edge-worker.js' : 'assets/[name]-[hash].js'),
      },
    },
  },
});

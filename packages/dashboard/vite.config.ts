import { defineConfig } from 'vite'

const cluster = 'http://127.0.0.1:7860'

export default defineConfig({
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: 'dist/public',
    // The balancer's content security policy lets nothing in that is not a file of its own.
    assetsInlineLimit: 0,
    modulePreload: false,
    reportCompressedSize: false,
  },
  server: { proxy: { '/api': cluster, '/metrics': cluster, '/v1': cluster } },
})

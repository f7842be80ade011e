import { fileURLToPath } from 'node:url'

import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vite'

const folder = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

// The service serves it under /console with `script-src 'self'`: no inline script, no data: modules.
export default defineConfig({
  base: '/console/',
  plugins: [vue()],
  resolve: {
    alias: [
      { find: '@core', replacement: folder('../core') },
      { find: '@', replacement: folder('./src') },
    ],
  },
  build: {
    target: 'es2022',
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 1200,
  },
  server: { proxy: { '/v1': { target: 'http://127.0.0.1:8000', ws: true } } },
})

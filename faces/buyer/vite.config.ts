import uniPlugin from '@dcloudio/vite-plugin-uni'
import { defineConfig } from 'vite'

// The plugin is CommonJS: its default export is one level deeper for Node.
const { default: uni = uniPlugin } = uniPlugin as unknown as { default?: typeof uniPlugin }

export default defineConfig({
  base: '/shop/',
  plugins: [uni()],
  resolve: { alias: { '@core': new URL('../core', import.meta.url).pathname } },
  build: { target: 'es2018' },
})

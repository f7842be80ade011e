import uniPlugin from '@dcloudio/vite-plugin-uni'
import { build } from 'esbuild'
import { type Plugin, defineConfig } from 'vite'

// The plugin is CommonJS: its default export is one level deeper for Node.
const { default: uni = uniPlugin } = uniPlugin as unknown as { default?: typeof uniPlugin }

const core = new URL('../core', import.meta.url).pathname
const worker = new URL('src/workers/challenge.ts', import.meta.url).pathname

/** WeChat takes workers as whole files in a folder that app.json names; browsers get them by Vite. */
function weChatWorker(): Plugin {
  return {
    name: 'wechat-worker',
    apply: () => process.env['UNI_PLATFORM'] === 'mp-weixin',
    async generateBundle() {
      const built = await build({
        entryPoints: [worker],
        alias: { '@core': core },
        bundle: true,
        minify: true,
        format: 'iife',
        target: 'es2018',
        legalComments: 'none',
        write: false,
      })
      const source = built.outputFiles[0]?.text ?? ''
      this.emitFile({ type: 'asset', fileName: 'workers/challenge.js', source })
    },
  }
}

export default defineConfig({
  base: '/shop/',
  plugins: [uni(), weChatWorker()],
  resolve: { alias: { '@core': core } },
  build: { target: 'es2018' },
})

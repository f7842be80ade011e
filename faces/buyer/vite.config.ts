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

const BLOCKING = 'addEventListener("touchmove", __handleTouchMove, passive(false))'

/**
 * A browser asks uni-app's scroll-view at each touch whether it may scroll, and so waits for scripts.
 * It says no only while a list is pulled down to refresh, which no scroll-view here does.
 */
function scrollAtOnce(): Plugin {
  return {
    name: 'scroll-at-once',
    transform(code, id) {
      if (!id.includes('uni-h5.es.js')) return null
      if (!code.includes(BLOCKING)) throw new Error('uni-h5 has another scroll-view: look at it')
      return { code: code.replace(BLOCKING, BLOCKING.replace('false', 'true')), map: null }
    },
  }
}

export default defineConfig({
  base: '/shop/',
  plugins: [uni(), scrollAtOnce(), weChatWorker()],
  resolve: { alias: { '@core': core } },
  build: { target: 'es2018' },
})

/**
 * Runs a built mini-program as WeChat does: its modules in a realm of their own, which has the
 * language and `wx` and nothing else, and its templates in WeChat's own component framework.
 */

import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, posix } from 'node:path'
import vm from 'node:vm'

import type { Wx } from './wx.ts'

const require = createRequire(import.meta.url)
const easel = require('glass-easel')
const adapter = require('glass-easel-miniprogram-adapter')
const { TmplGroup } = require('glass-easel-template-compiler')

type Json = Record<string, unknown>

/** What WeChat's framework gives a page or a component. */
export interface Instance {
  is: string
  route?: string
  options?: Record<string, string>
  setData(data: Json, done?: () => void): void
  [method: string]: unknown
}

export interface OpenPage {
  readonly path: string
  readonly root: { getComponent(): EaselNode; release(): void }
  readonly instance: Instance
}

/** A node of WeChat's component framework; a text has no children. */
export interface EaselNode {
  readonly textContent?: string
  getComposedChildren?(): readonly EaselNode[]
  getComposedParent(): EaselNode | null
  getMethodCaller?(): unknown
  [name: string]: unknown
}

export interface SetData {
  readonly at: number
  readonly path: string
  readonly bytes: number
}

export class App {
  readonly pages: OpenPage[] = []
  readonly sets: SetData[] = []
  readonly faults: string[] = []
  readonly context: vm.Context
  private readonly modules = new Map<string, { exports: unknown }>()
  private readonly registered = new Set<string>()
  private readonly space
  private readonly backend
  private current = '' // the component whose file runs
  private app: Json = {}
  private readonly routes: readonly string[]
  private readonly folder: string
  private readonly now: () => number

  constructor(folder: string, globals: Json, now: () => number) {
    this.folder = folder
    this.now = now
    const env = new adapter.MiniProgramEnv()
    this.space = env.createCodeSpace('', true)
    // As in WeChat: handlers of events are whatever an instance has under their name.
    this.space.getComponentSpace().updateComponentOptions({ useMethodCallerListeners: true })
    this.backend = env.associateBackend(new easel.EmptyBackendContext())
    easel.addGlobalErrorListener((fault: unknown) => {
      this.faults.push(String((fault as Error)?.stack ?? fault))
      return false
    })
    this.routes = this.json('app')['pages'] as string[]
    this.context = vm.createContext(
      {
        global: {},
        ...globals,
        App: (options: Json) => {
          this.app = options
        },
        getApp: () => this.app,
        getCurrentPages: () => this.pages.map(({ instance }) => instance),
        Component: (definition: Json) => this.define(definition),
        Page: (definition: Json) =>
          this.space.component(this.current).pageDefinition(definition).register(),
        Behavior: (definition: Json) => this.space.behavior().definition(definition).register(),
      },
      { codeGeneration: { strings: false, wasm: false } },
    )
  }

  launch(options: Json): void {
    this.run('app.js')
    this.call(this.app, 'onLaunch', options)
    this.call(this.app, 'onShow', options)
  }

  show(options: Json): void {
    this.call(this.app, 'onShow', options)
    this.call(this.top?.instance, 'onShow')
  }

  hide(): void {
    this.call(this.top?.instance, 'onHide')
    this.call(this.app, 'onHide')
  }

  get top(): OpenPage | undefined {
    return this.pages.at(-1)
  }

  /** `/pages/room/index?id=…`; throws for a page that app.json does not name. */
  open(url: string): void {
    const [path = '', query = ''] = url.replace(/^\//, '').split('?')
    if (!this.routes.includes(path)) throw new Error(`page ${path} is not in app.json`)
    this.call(this.top?.instance, 'onHide')
    this.register(path)
    const options: Record<string, string> = {}
    for (const pair of query.split('&').filter(Boolean)) {
      const [name = '', value = ''] = pair.split('=')
      options[name] = value // WeChat decodes nothing
    }
    const root = this.backend.createRoot('body', this.space, path)
    const component = root.getComponent()
    const instance = component.getMethodCaller() as Instance
    instance.route = path
    instance['__route__'] = path
    instance.options = options
    this.pages.push({ path, root, instance })
    easel.Element.pretendAttached(component)
    this.call(instance, 'onLoad', this.own(options))
    this.call(instance, 'onShow')
    component.triggerLifetime('ready', [])
    this.call(instance, 'onReady')
  }

  /** The last pages; the one under them is shown. */
  close(count = 1): void {
    if (count < 1) return
    for (const page of this.pages.splice(-count).reverse()) {
      this.call(page.instance, 'onUnload')
      page.root.release()
    }
    this.call(this.top?.instance, 'onShow')
  }

  /** An object of the mini-program's own realm. */
  own<T>(value: T): T {
    const text = JSON.stringify(value)
    return text === undefined ? value : (vm.runInContext(`(${text})`, this.context) as T)
  }

  /** A page, with what it uses first, as WeChat does it with `lazyCodeLoading`. */
  private register(path: string): void {
    if (this.registered.has(path)) return
    this.registered.add(path)
    const config = this.json(path)
    const using: Record<string, string> = {}
    const named = { ...(this.json('app')['usingComponents'] as Json), ...(config['usingComponents'] as Json) }
    for (const [name, place] of Object.entries(named)) {
      const target = String(place).startsWith('/')
        ? String(place).slice(1)
        : posix.join(posix.dirname(path), String(place))
      this.register(target)
      using[name] = `/${target}`
    }
    this.space.addComponentStaticConfig(path, { ...config, usingComponents: using })
    this.space.addCompiledTemplate(path, this.template(path))
    const before = this.current
    this.current = path
    this.run(`${path}.js`)
    this.current = before
  }

  private define(definition: Json): void {
    // Rendering is as slow as what is sent to it: each setData is counted.
    const record = (caller: Instance): void => {
      const set = caller.setData
      caller.setData = (data, done) => {
        const bytes = Buffer.byteLength(JSON.stringify(data) ?? '')
        this.sets.push({ at: this.now(), path: caller.is, bytes })
        set.call(caller, data, done)
      }
    }
    const lifetimes = { ...(definition['lifetimes'] as Json) }
    const created = lifetimes['created'] as ((this: Instance) => void) | undefined
    lifetimes['created'] = function (this: Instance) {
      record(this)
      created?.call(this)
    }
    this.space.component(this.current).definition({ ...definition, lifetimes }).register()
  }

  private template(path: string): unknown {
    const group = new TmplGroup()
    group.addTmpl(path, readFileSync(join(this.folder, `${path}.wxml`), 'utf8'))
    const groupList = new Function(`return ${group.getTmplGenObjectGroups()}`)() as Json
    group.free()
    // `bindtap` means `bind:tap`.
    return { groupList, content: groupList[path], fallbackListenerOnNativeNode: true }
  }

  private json(path: string): Json {
    return JSON.parse(readFileSync(join(this.folder, `${path}.json`), 'utf8')) as Json
  }

  private run(name: string): unknown {
    const known = this.modules.get(name)
    if (known !== undefined) return known.exports
    const file = join(this.folder, name)
    if (!existsSync(file)) throw new Error(`module '${name}' is not defined`)
    const module = { exports: {} as unknown }
    this.modules.set(name, module)
    const code = `(function (require, module, exports) {${readFileSync(file, 'utf8')}\n})`
    const load = vm.runInContext(code, this.context, { filename: file }) as (
      require: (wanted: string) => unknown,
      module: { exports: unknown },
      exports: unknown,
    ) => void
    const from = dirname(name)
    load((wanted) => this.run(posix.join(from, wanted.replace(/(\.js)?$/, '.js'))), module, module.exports)
    return module.exports
  }

  private call(target: unknown, name: string, ...given: unknown[]): void {
    const method = (target as Json | undefined)?.[name]
    if (typeof method !== 'function') return
    try {
      method.apply(target, given)
    } catch (fault) {
      this.faults.push(String((fault as Error)?.stack ?? fault))
    }
  }
}

export type { Wx }

// A phone: a disk, a clock and a network that stay, and processes of a mini-program that come and go on it. A process is
// a realm with the language and nothing else, in which the built package runs. Whatever it asks of `wx` is recorded.

import fs from 'node:fs'
import path from 'node:path'
import vm from 'node:vm'
import zlib from 'node:zlib'
import { fileURLToPath } from 'node:url'
import { Clock } from './clock.mjs'
import { Disk, fileManager, USER_DATA_PATH } from './disk.mjs'
import { component, page, pageIn } from './pages.mjs'

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..')
export const DIST = path.join(process.env.ZHIJI_PKG || path.join(root, 'pkg'), 'miniprogram_dist')
export const FALLBACK = path.join(process.env.ZHIJI_PKG || path.join(root, 'pkg'), 'fallback/miniprogram_dist/index.js')

const START_MS = Date.UTC(2025, 2, 3, 4, 0, 0)
const LATENCY_MS = 40
/** Fifty times slower than a fast phone. */
const MS_PER_EVENT = 0.02
const ABSENT = ['WebAssembly', 'FinalizationRegistry', 'WeakRef', 'SharedArrayBuffer', 'Atomics', 'BigInt', 'BigInt64Array', 'BigUint64Array', 'Intl', 'console']

const modules = new Map()

/** @param {string} file */
function wasmModule(file) {
  if (!modules.has(file)) modules.set(file, new WebAssembly.Module(zlib.brotliDecompressSync(fs.readFileSync(file))))
  return modules.get(file)
}

export class Phone {
  constructor() {
    this.disk = new Disk()
    this.clock = new Clock(START_MS)
    /** Answers by address: bytes, or a number for a status. @type {Map<string, Uint8Array | number>} */
    this.network = new Map()
    this.storage = new Map()
  }

  /**
   * Starts the mini-program.
   * @param {Partial<Options>} [options]
   */
  start(options) {
    return new Process(this, options || {})
  }
}

/**
 * @typedef {object} Options
 * @property {'instance' | 'wrapped' | 'refuse' | 'simd-refuse' | 'never'} wasm
 * @property {boolean} files whether there is a file manager
 * @property {boolean} random whether there is wx.getRandomValues
 * @property {string} envVersion
 * @property {boolean} json whether an answer is parsed where its bytes are not asked for, as the client does
 * @property {(tier: number, candidates: number) => number} rankMs what a ranking by a model takes besides
 * @property {(source: string, file: string) => string} patch changes a file of the package before it runs
 */

export class Process {
  /** @param {Phone} phone @param {Partial<Options>} options */
  constructor(phone, options) {
    this.phone = phone
    this.options = options
    this.alive = true
    /** Everything that was asked of the client, with arguments and time. */
    this.outbound = []
    this.wasmTried = []
    this.handlers = { onAppShow: [], onAppHide: [] }
    this.observers = []
    this.modules = new Map()
    this.engines = []
    /** Is given the engine's class, to look on. @type {((Engine: any) => void) | undefined} */
    this.onEngine = undefined
    /** What the files of pages have defined, by file. */
    this.definitions = new Map()
    this.wx = this.makeWx()
    this.context = vm.createContext({}, { codeGeneration: { strings: false, wasm: true } })
    for (const name of ABSENT) vm.runInContext(`delete globalThis.${name}`, this.context)
    const clock = phone.clock
    const date = vm.runInContext(`(now) => { const Real = Date
      globalThis.Date = class Date extends Real { constructor(...parts) { super(...(parts.length ? parts : [now()])) } static now() { return now() } }
      Math.random = () => { throw new Error('unseeded randomness') } }`, this.context)
    date(() => Math.floor(clock.nowMs))
    Object.assign(this.context, {
      setTimeout: (callback, delayMs) => clock.setTimer(() => { if (this.alive) callback() }, delayMs),
      clearTimeout: (timer) => clock.clearTimer(timer),
    })
  }

  record(name, args) {
    const shown = JSON.stringify(args, (key, value) => {
      if (typeof value === 'function') return undefined
      // The buffers of a realm are not instances of this realm's classes.
      const kind = Object.prototype.toString.call(value)
      if (kind === '[object ArrayBuffer]') return `${value.byteLength} bytes ${Buffer.from(value).toString('base64')}`
      return value
    })
    this.outbound.push({ atMs: Math.floor(this.phone.clock.nowMs), name, args: shown, size: (shown || '').length })
  }

  makeWx() {
    const { phone, options } = this
    const later = (work, ms) => phone.clock.setTimer(() => { if (this.alive) work() }, ms)
    const known = {
      env: { USER_DATA_PATH: options.files === false ? undefined : USER_DATA_PATH },
      getFileSystemManager: options.files === false ? undefined : () => fileManager(phone.disk, {
        clock: phone.clock, alive: () => this.alive, die: () => { this.alive = false }, record: (name, args) => this.record(name, args),
      }),
      getRandomValues: options.random === false ? undefined : (args) => later(() => args.success({
        randomValues: Uint8Array.from({ length: args.length }, (_, at) => (at * 37 + 11) & 255).buffer,
      }), 1),
      request: (args) => later(() => {
        const answer = phone.network.get(args.url)
        const tell = (callback, outcome) => { if (callback) callback(outcome) }
        if (answer === undefined) tell(args.fail, { errMsg: 'request:fail' })
        else if (typeof answer === 'number') tell(args.success, { statusCode: answer, data: new ArrayBuffer(0) })
        else tell(args.success, { statusCode: 200, data: options.json && args.responseType !== 'arraybuffer' ? this.own(JSON.parse(new TextDecoder().decode(answer))) : answer.slice().buffer })
      }, LATENCY_MS),
      getAccountInfoSync: () => ({ miniProgram: { envVersion: options.envVersion || 'release' } }),
      getEnterOptionsSync: () => ({ scene: 1001 }),
      onAppShow: (callback) => this.handlers.onAppShow.push(callback),
      onAppHide: (callback) => this.handlers.onAppHide.push(callback),
      nextTick: (callback) => later(callback, 0),
      // The package's own key is as silent as its files; everything else that a page stores is on record.
      getStorage: (args) => later(() => {
        if (phone.storage.has(args.key)) args.success({ data: phone.storage.get(args.key) })
        else args.fail({ errMsg: 'getStorage:fail data not found' })
      }, 1),
      setStorage: (args) => later(() => {
        phone.storage.set(args.key, args.data)
        args.success({})
      }, 1),
      removeStorage: (args) => later(() => {
        phone.storage.delete(args.key)
        args.success({})
      }, 1),
      getStorageSync: (key) => phone.storage.get(key),
      setStorageSync: (key, value) => { phone.storage.set(key, value) },
    }
    // The file manager itself says nothing; its calls outside the package's folder are recorded one by one.
    const silent = new Set(['env', 'getFileSystemManager'])
    return new Proxy(known, {
      get: (target, name) => {
        if (typeof name !== 'string' || silent.has(name)) return target[name]
        if (name in target && target[name] === undefined) return undefined
        return (args, ...rest) => {
          const ownKey = /^(get|set|remove)Storage$/.test(name) && args.encrypt !== false && /^zhiji:.*:key$/.test(args.key)
          if (!ownKey) this.record(`wx.${name}`, rest.length ? [args, ...rest] : args)
          return target[name] ? target[name](args, ...rest) : undefined
        }
      },
    })
  }

  makeWasm() {
    const { phone, options } = this
    const mode = options.wasm || 'wrapped'
    return {
      instantiate: (file, imports) => {
        this.wasmTried.push(path.basename(file))
        if (mode === 'never') return new Promise(() => {})
        if (mode === 'refuse' || (mode === 'simd-refuse' && /simd/.test(file))) return Promise.reject(new Error('CompileError'))
        const found = path.join(DIST, file.replace('/miniprogram_npm/zhiji/', ''))
        const instance = new WebAssembly.Instance(wasmModule(found), imports)
        this.chargeCompute(imports['./zhiji_bg.js'].Engine, phone.clock)
        if (this.onEngine) this.onEngine(imports['./zhiji_bg.js'].Engine)
        return Promise.resolve(mode === 'instance' ? instance : { instance })
      },
    }
  }

  /** Every call of the engine takes time in proportion to the events it folded, and a ranking what the test says. */
  chargeCompute(Engine, clock) {
    const own = this
    for (const name of Object.getOwnPropertyNames(Engine.prototype)) {
      const call = Engine.prototype[name]
      if (name === 'constructor' || name === 'free' || name === 'folded' || name.startsWith('__') || typeof call !== 'function') continue
      Engine.prototype[name] = function charged(...args) {
        if (!own.engines.includes(this)) own.engines.push(this)
        if (own.trapOn === name) {
          own.trapOn = ''
          throw new Error('unreachable')
        }
        const before = this.folded()
        try {
          const answer = call.apply(this, args)
          if (name === 'rank' && answer.tier >= 0 && own.options.rankMs) clock.charge(own.options.rankMs(answer.tier, args[0].length))
          return answer
        } finally {
          clock.charge((this.folded() - before) * (own.options.msPerEvent || MS_PER_EVENT))
        }
      }
    }
  }

  /** Loads a file of the package, or a page of a test, as the client's module system does. */
  require(file, source, globals = {}) {
    const full = path.isAbsolute(file) ? file : path.join(DIST, file)
    const resolved = [full, `${full}.js`, path.join(full, 'index.js')].find((name) => source !== undefined || (fs.existsSync(name) && fs.statSync(name).isFile()))
    if (!resolved) throw new Error(`no such module: ${file}`)
    if (source === undefined && this.modules.has(resolved)) return this.modules.get(resolved).exports
    const module = { exports: vm.runInContext('({})', this.context) }
    if (source === undefined) this.modules.set(resolved, module)
    let text = source === undefined ? fs.readFileSync(resolved, 'utf8') : source
    if (this.options.patch) text = this.options.patch(text, path.relative(DIST, resolved))
    const given = Object.assign({ wx: this.wx, WXWebAssembly: this.wasm || (this.wasm = this.makeWasm()), Page: undefined, Component: undefined }, globals)
    const run = vm.runInContext(`(function (require, module, exports, ${Object.keys(given).join(', ')}) {${text}\n})`, this.context, { filename: resolved })
    run((name) => this.require(name === 'zhiji' ? path.join(DIST, 'index.js') : path.join(path.dirname(resolved), name)), module, module.exports, ...Object.values(given))
    return module.exports
  }

  fallback() {
    return Promise.resolve(this.require(FALLBACK))
  }

  zhiji() {
    return this.require('index.js')
  }

  /** A plain value of the realm: what a page of it would have written down. */
  own(value) {
    return vm.runInContext(`(${JSON.stringify(value)})`, this.context)
  }

  advance(ms) {
    return this.phone.clock.advance(ms)
  }

  hide() {
    for (const callback of this.handlers.onAppHide) callback()
  }

  show() {
    for (const callback of this.handlers.onAppShow) callback()
  }

  kill() {
    this.alive = false
  }

  component(file, properties) {
    return component(this, file, properties)
  }

  page(source, globals) {
    return page(this, source, globals)
  }

  /** A page of a mini-program, by its file. */
  pageIn(file) {
    return pageIn(this, file)
  }
}

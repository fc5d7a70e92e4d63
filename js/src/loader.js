// @ts-check
'use strict'
// Finds the build of the engine that this client can run, by trying: SIMD, MVP, then the same code as JavaScript where
// the page offers it. One instance serves every space; after a trap a fresh one takes its place.

const { ZhijiError } = require('./failure')

/** The glue finds its imports under this name in every build. */
const MODULE = './zhiji_bg.js'
// A client on which the promise never settles must not hold up the next build for long.
const PATIENCE_MS = 6000

/**
 * @typedef {object} LoaderOptions
 * @property {string} wasmDir folder of the wasm files inside the code package
 * @property {(() => Promise<any>) | undefined} fallback
 * @property {() => any} createGlue
 */

/**
 * @typedef {object} Loaded
 * @property {any} api what the glue exports: Engine, engineVersion, golden
 * @property {'simd' | 'mvp' | 'js'} build
 */

/**
 * Settles as the promise does, or fails when that takes too long.
 * @template T
 * @param {import('./platform').Platform} platform
 * @param {Promise<T>} promise
 * @returns {Promise<T>}
 */
function withinPatience(platform, promise) {
  return new Promise((resolve, reject) => {
    const timer = platform.setTimer(() => reject(new ZhijiError('NO_WASM')), PATIENCE_MS)
    promise.then((value) => {
      platform.clearTimer(timer)
      resolve(value)
    }, (error) => {
      platform.clearTimer(timer)
      reject(error)
    })
  })
}

/**
 * One attempt: a glue of its own, so that no view of another instance's memory can survive in it.
 * @param {LoaderOptions} options
 * @param {'simd' | 'mvp' | 'js'} build
 * @param {(imports: object) => Promise<any>} instantiate
 * @returns {Promise<Loaded>}
 */
async function attempt(options, build, instantiate) {
  const api = options.createGlue()
  const resolved = await instantiate({ [MODULE]: api })
  const exports = (resolved && resolved.instance ? resolved.instance : resolved).exports
  api.__wbg_set_wasm(exports)
  // A module that instantiates but cannot answer is no better than one that does not.
  api.engineVersion()
  return { api, build }
}

/**
 * @param {import('./platform').Platform} platform
 * @param {LoaderOptions} options
 * @param {('simd' | 'mvp' | 'js')[]} builds which to try, in order
 * @returns {Promise<Loaded>}
 */
async function load(platform, options, builds) {
  const instantiate = platform.instantiate
  for (const build of builds) {
    try {
      if (build === 'js') {
        if (!options.fallback) continue
        const offered = await withinPatience(platform, Promise.resolve(options.fallback()))
        return await attempt(options, build, async (imports) => offered.instantiate(imports))
      }
      if (!instantiate) continue
      const path = `${options.wasmDir}/zhiji_${build}.wasm.br`
      return await attempt(options, build, (imports) => withinPatience(platform, Promise.resolve(instantiate(path, imports))))
    } catch (_) {
      // The next build is tried; which one was taken is told by diagnostics().
    }
  }
  throw new ZhijiError('NO_WASM')
}

/** The one instance and its successors. */
class Runtime {
  /**
   * @param {import('./platform').Platform} platform
   * @param {LoaderOptions} options
   */
  constructor(platform, options) {
    this.platform = platform
    this.options = options
    /** Counts the instances; an engine of an older generation is dead. */
    this.generation = 0
    /** @type {Promise<Loaded> | null} */
    this.loading = null
    /** @type {('simd' | 'mvp' | 'js')[]} */
    this.builds = ['simd', 'mvp', 'js']
  }

  /** @returns {Promise<Loaded>} */
  load() {
    if (!this.loading) {
      this.loading = load(this.platform, this.options, this.builds)
      this.loading.then((loaded) => {
        this.builds = [loaded.build]
      }, () => {})
    }
    return this.loading
  }

  /**
   * Gives up the instance of a generation. Only the first to report it makes a new one.
   * @param {number} generation
   */
  abandon(generation) {
    if (generation !== this.generation) return
    this.generation++
    this.loading = null
  }
}

/** @typedef {Runtime} Instance */

module.exports = { Runtime }

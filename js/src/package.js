// @ts-check
'use strict'
// The package around a platform: spaces by name, one engine instance for all of them.

const { Runtime } = require('./loader')
const { Space, handleOf } = require('./space')
const { Sync } = require('./sync')
const { outline } = require('./schema')
const { ZhijiError, failure } = require('./failure')

const WASM_DIR = '/miniprogram_npm/zhiji/wasm'

/** @typedef {import('./space').Instance} SpaceInstance */

/** Stands for a schema that cannot be read: everything keeps the page's own order. @type {import('./schema').Outline} */
const NOTHING = { space: 'unreadable', stored: [], volatiles: [], impression: '', dislike: '', hasAction: () => false, filters: [] }

/**
 * @param {import('./platform').Platform} platform
 * @param {() => any} createGlue
 */
function createPackage(platform, createGlue) {
  /** @type {Map<string, {options: string, space: SpaceInstance, handle: any}>} */
  const spaces = new Map()
  /** @type {Map<string, import('./loader').Instance>} */
  const runtimes = new Map()

  /** @param {any} options */
  function runtimeFor(options) {
    const wasmDir = options.wasmDir || WASM_DIR
    let runtime = runtimes.get(wasmDir)
    if (!runtime) {
      runtime = new Runtime(platform, { wasmDir, fallback: options.fallback, createGlue })
      runtimes.set(wasmDir, runtime)
    }
    return runtime
  }

  /** @param {any} given */
  function open(given) {
    const options = given && typeof given === 'object' ? given : {}
    /** @type {import('./failure').Instance | null} */
    let broken = null
    let read = NOTHING
    try {
      read = outline(options.schema)
    } catch (error) {
      if (platform.develop) throw error
      broken = /** @type {import('./failure').Instance} */ (error)
    }
    const compared = JSON.stringify([options.schema, options.manifest, options.root, options.wasmDir, options.policyVersion, options.account, options.frameBudgetMs])
    const known = spaces.get(read.space)
    if (known) {
      if (known.options !== compared) {
        if (platform.develop) throw new ZhijiError('OPTIONS_DIFFER')
        known.space.report(failure('OPTIONS_DIFFER'))
      }
      return known.handle
    }
    /** @type {SpaceInstance | null} */
    let space = null
    const report = (/** @type {any} */ told) => { if (space) space.report(told) }
    const rootJson = options.root === undefined || typeof options.root === 'string' ? options.root : JSON.stringify(options.root)
    const sync = new Sync(platform, broken ? undefined : options.manifest, rootJson, report)
    // The first thing that happens, before anything of the user is read.
    sync.start()
    const seed = platform.seed().then((bytes) => {
      if (!bytes) report(failure('NO_RANDOM'))
      return bytes
    })
    space = new Space({
      platform,
      runtime: runtimeFor(options),
      outline: /** @type {any} */ (read),
      schemaJson: JSON.stringify(options.schema),
      rootJson,
      policyVersion: options.policyVersion,
      frameBudgetMs: options.frameBudgetMs,
      broken,
      sync,
      seed,
      report,
    }, options.account)
    if (typeof options.onError === 'function') space.errorListeners.add(options.onError)
    const handle = handleOf(space)
    spaces.set(read.space, { options: compared, space, handle })
    return handle
  }

  /**
   * The handle of an open space, for components: by name, or the only one.
   * @param {string} [name]
   */
  function current(name) {
    const found = name ? spaces.get(name) : spaces.values().next().value
    return found ? found.handle : null
  }

  return { open, current }
}

module.exports = { createPackage }

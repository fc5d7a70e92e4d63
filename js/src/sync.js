// @ts-check
'use strict'
// Model weights come down; nothing goes up. The manifest, and before it the root that may have followed the one in the
// code package, are asked for at open(), before anything of the user has been read. Every later request leaves on a fixed
// grid of seconds counted from there, so that the time the phone spends on a long history cannot be seen from outside.
// Nothing but the addresses is ever sent.

const { failure, toFailure } = require('./failure')

const GRID_MS = 2000
const ATTEMPTS = 4
const RECHECK_MS = 6 * 3600 * 1000
// More in one go is a server that answers whatever it is asked.
const ROOTS_MOST = 16
// What a delta made was not what was signed: the bundle itself may be.
const RETRIED = ['BUNDLE_HASH', 'BUNDLE_LENGTH']

/**
 * @typedef {object} Receiver what takes the bytes: a started engine
 * @property {(bytes: Uint8Array) => void} root
 * @property {(bytes: Uint8Array) => {action: 'current'} | {action: 'fetch', path: string, delta?: string, base?: string}} manifest
 * @property {(bytes: Uint8Array) => void} bundle
 * @property {(base: Uint8Array, bytes: Uint8Array) => void} delta
 * @property {(name: string) => Promise<Uint8Array | null>} stored the bytes of a bundle's file
 * @property {() => {arm: number, root: number}} state the rollout arm, and the version of the root that is trusted
 */

/** Version of the root inside the code package; 0 where there is none. @param {any} rootJson */
function versionOf(rootJson) {
  try {
    return JSON.parse(JSON.parse(rootJson).payload).version
  } catch (_) {
    return 0
  }
}

class Sync {
  /**
   * @param {import('./platform').Platform} platform
   * @param {string | undefined} url
   * @param {string | undefined} rootJson
   * @param {(failure: import('./failure').Failure) => void} report
   */
  constructor(platform, url, rootJson, report) {
    this.platform = platform
    this.url = url || ''
    this.report = report
    this.originMs = 0
    this.askedMs = 0
    this.busy = false
    /** Version of the root to ask for next. */
    this.nextRoot = versionOf(rootJson) + 1
    this.rootsLeft = 0
    /** @type {Receiver | null} */
    this.receiver = null
    /** The next root, null where there is none, undefined while that is not known. @type {Uint8Array | null | undefined} */
    this.root = undefined
    /** @type {Uint8Array | null} */
    this.manifest = null
    platform.onShow(() => this.recheck())
  }

  /** Asks for the next root and for the manifest, now. */
  start() {
    if (!this.url || this.busy) return
    this.busy = true
    this.originMs = this.askedMs = this.platform.now()
    this.rootsLeft = ROOTS_MOST
    if (this.nextRoot > 1) this.askRoot()
    else this.root = null
    this.ask(this.url, 0, (bytes) => {
      this.manifest = bytes
      this.proceed()
    })
  }

  recheck() {
    if (this.askedMs && this.platform.now() - this.askedMs >= RECHECK_MS) this.start()
  }

  /** @param {Receiver | null} receiver null while there is no engine */
  attach(receiver) {
    this.receiver = receiver
    this.proceed()
  }

  /** @param {string} path */
  beside(path) {
    return this.url.replace(/[^/]*$/, '') + path
  }

  /** Keys are changed rarely: that there is no next root is the ordinary answer. */
  askRoot() {
    this.root = undefined
    this.platform.get(this.beside(`${this.nextRoot}.root.json`), (failed, bytes) => {
      this.root = failed ? null : bytes
      this.proceed()
    })
  }

  /**
   * @param {string} url
   * @param {number} attempt
   * @param {(bytes: Uint8Array) => void} done
   */
  ask(url, attempt, done) {
    this.platform.get(url, (failed, bytes) => {
      if (!failed && bytes) return done(bytes)
      if (attempt + 1 >= ATTEMPTS) {
        this.busy = false
        return this.report(failure('NETWORK'))
      }
      // Arms spread the load of a server that comes back; nothing else may move a request in time.
      const arm = this.receiver ? this.receiver.state().arm : 0
      this.onGrid(Math.pow(2, attempt) * 2 + arm, () => this.ask(url, attempt + 1, done))
    })
  }

  /**
   * Runs on the grid, a number of steps from now and at least one.
   * @param {number} steps
   * @param {() => void} work
   */
  onGrid(steps, work) {
    const elapsedMs = this.platform.now() - this.originMs
    const dueMs = (Math.floor(elapsedMs / GRID_MS) + steps) * GRID_MS
    this.platform.setTimer(work, dueMs - elapsedMs)
  }

  /** Once root, manifest and engine are there: follows roots until there is none, then takes the manifest. */
  proceed() {
    const { receiver, root, manifest } = this
    if (!receiver || !manifest || root === undefined) return
    try {
      if (root && this.rootsLeft-- > 0) {
        this.root = null
        // What was asked for at open() may have been followed, and stored, long ago.
        if (receiver.state().root < this.nextRoot) receiver.root(root)
        this.nextRoot = receiver.state().root + 1
        this.root = undefined
        return this.onGrid(1, () => this.askRoot())
      }
      this.manifest = null
      const answer = receiver.manifest(manifest)
      if (answer.action === 'fetch') return this.collect(answer.path, answer.delta, answer.base)
    } catch (error) {
      this.report(toFailure(error))
      // A root that does not follow is passed over.
      if (this.manifest) return this.proceed()
    }
    this.busy = false
  }

  /**
   * Fetches a bundle, by the delta from the one in use where there is one. A delta that is not to be had, or does not make the bundle, costs a
   * request and no more.
   * @param {string} path
   * @param {string} [delta]
   * @param {string} [base] the file of the bundle in use
   */
  collect(path, delta, base) {
    const whole = () => this.onGrid(1, () => this.ask(this.beside(path), 0, (bytes) => this.install((receiver) => receiver.bundle(bytes))))
    if (!delta || !base) return whole()
    this.onGrid(1, () => this.platform.get(this.beside(delta), async (failed, bytes) => {
      const old = failed || !bytes || !this.receiver ? null : await this.receiver.stored(base).catch(() => null)
      if (!bytes || !old || this.install((receiver) => receiver.delta(old, bytes), RETRIED)) return whole()
    }))
  }

  /**
   * @param {(receiver: Receiver) => void} take
   * @param {string[]} [quietly] codes that are not reported
   * @returns {boolean} whether it failed with one of them
   */
  install(take, quietly = []) {
    this.busy = false
    if (!this.receiver) return false
    try {
      take(this.receiver)
    } catch (error) {
      const known = toFailure(error)
      if (quietly.includes(known.code)) return (this.busy = true)
      this.report(known)
    }
    return false
  }
}

/** @typedef {Sync} Instance */

module.exports = { Sync }

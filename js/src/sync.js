// @ts-check
'use strict'
// Model weights come down; nothing goes up. The manifest is asked for at open(), before anything of the user has been
// read, and every later request leaves on a fixed grid of seconds counted from there, so that the time the phone spends
// on a long history cannot be seen from outside. Nothing but the two addresses is ever sent.

const { failure, toFailure } = require('./failure')

const GRID_MS = 2000
const ATTEMPTS = 4
const RECHECK_MS = 6 * 3600 * 1000

/**
 * @typedef {object} Receiver what takes the bytes: a started engine
 * @property {(bytes: Uint8Array) => {action: 'current'} | {action: 'fetch', path: string}} manifest
 * @property {(bytes: Uint8Array) => void} bundle
 * @property {() => number} arm
 */

class Sync {
  /**
   * @param {import('./platform').Platform} platform
   * @param {string | undefined} url
   * @param {(failure: import('./failure').Failure) => void} report
   */
  constructor(platform, url, report) {
    this.platform = platform
    this.url = url
    this.report = report
    this.originMs = 0
    this.askedMs = 0
    this.busy = false
    /** @type {Receiver | null} */
    this.receiver = null
    /** @type {Uint8Array | null} */
    this.waiting = null
    platform.onShow(() => this.recheck())
  }

  /** Asks for the manifest, now. */
  start() {
    if (!this.url || this.busy) return
    this.busy = true
    this.originMs = this.askedMs = this.platform.now()
    this.ask(this.url, 0, (bytes) => {
      this.waiting = bytes
      this.proceed()
    })
  }

  recheck() {
    if (this.url && this.askedMs && this.platform.now() - this.askedMs >= RECHECK_MS) this.start()
  }

  /** @param {Receiver | null} receiver null while there is no engine */
  attach(receiver) {
    this.receiver = receiver
    if (receiver) this.proceed()
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
      const arm = this.receiver ? this.receiver.arm() : 0
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

  proceed() {
    const receiver = this.receiver
    const bytes = this.waiting
    if (!receiver || !bytes || !this.url) return
    this.waiting = null
    try {
      const answer = receiver.manifest(bytes)
      if (answer.action !== 'fetch') {
        this.busy = false
        return
      }
      const url = this.url.replace(/[^/]*$/, '') + answer.path
      this.onGrid(1, () => this.ask(url, 0, (bundle) => this.install(bundle)))
    } catch (error) {
      this.busy = false
      this.report(toFailure(error))
    }
  }

  /** @param {Uint8Array} bytes */
  install(bytes) {
    this.busy = false
    if (!this.receiver) return
    try {
      this.receiver.bundle(bytes)
    } catch (error) {
      this.report(toFailure(error))
    }
  }
}

/** @typedef {Sync} Instance */

module.exports = { Sync }

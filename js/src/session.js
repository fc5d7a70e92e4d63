// @ts-check
'use strict'
// One engine over one account's files: started, kept, rebuilt after a trap, closed.

const { ZhijiError, failure, toFailure } = require('./failure')
const { Interner } = require('./interner')
const { Pace } = require('./pace')
const { Store } = require('./store')

const FLUSH_EVENTS = 32
const FLUSH_MS = 1000
const PENDING_MOST = 256
const REBUILDS_MOST = 3
/** How long the engine may work on the personal head at a time: half a frame. */
const SLICE_MS = 8
const SLICE_EVENTS_MOST = 4096

/**
 * @typedef {object} Setup
 * @property {import('./platform').Platform} platform
 * @property {import('./loader').Instance} runtime
 * @property {import('./schema').Outline} outline
 * @property {string} schemaJson
 * @property {import('./failure').Instance | null} broken why no engine is to be started at all
 * @property {string | undefined} rootJson
 * @property {string | undefined} policyVersion
 * @property {number | undefined} frameBudgetMs
 * @property {import('./sync').Instance} sync
 * @property {Promise<Uint8Array | null>} seed
 * @property {(failure: import('./failure').Failure) => void} report
 */

/** @typedef {{action: string, item: any, atMs: number, detail: any}} Pending */

class Session {
  /**
   * @param {Setup} setup
   * @param {string} account name of the account's folder
   */
  constructor(setup, account) {
    this.setup = setup
    this.account = account
    this.store = new Store(setup.platform, setup.outline.space, account, setup.report)
    this.interner = new Interner(setup.outline)
    this.pace = new Pace(setup.frameBudgetMs)
    /** @type {any} */
    this.engine = null
    this.generation = -1
    this.degraded = 'NOT_READY'
    this.logOpen = false
    /** Whether the log is being read at this moment: what is tracked then is kept until it is there. */
    this.opening = true
    /** @type {Pending[]} */
    this.pending = []
    this.unflushed = 0
    /** @type {any} */
    this.flushTimer = null
    /** @type {any} */
    this.adaptTimer = null
    /** Events in one slice of the work on the personal head; follows the time that slices take on this phone. */
    this.sliceEvents = 64
    this.rebuilds = 0
    this.closed = false
    this.startMs = 0
    /** @type {'simd' | 'mvp' | 'js' | ''} */
    this.build = ''
    /** @type {Promise<void>} */
    this.ready = this.start()
  }

  /** Settles when the engine works or when it is known that it never will; it does not fail. */
  async start() {
    const { platform, runtime } = this.setup
    const beganMs = platform.now()
    this.generation = runtime.generation
    try {
      if (this.setup.broken) throw this.setup.broken
      const [loaded, seed, control] = await Promise.all([runtime.load(), this.setup.seed, this.store.readControl()])
      if (this.closed) return
      const engine = new loaded.api.Engine(this.setup.schemaJson, seed || undefined, this.setup.rootJson)
      this.api = loaded.api
      this.note(engine.openControl(control).notes)
      this.attachSync(engine)
      const bundles = await this.store.readBundles()
      if (bundles.length) this.attempt(() => engine.openBundle(bundles))
      await this.readLogInto(engine)
      if (this.closed) return engine.free()
      this.engine = engine
      this.build = loaded.build
      this.degraded = ''
      this.startMs = platform.now() - beganMs
      this.opening = false
      this.replay()
      this.flushSoon()
    } catch (error) {
      this.opening = false
      this.pending = []
      this.fail(error)
    }
  }

  /** @param {any} engine */
  attachSync(engine) {
    const { platform, sync } = this.setup
    const now = platform.now
    // What the engine keeps of it is written soon, a refusal too.
    const kept = (/** @type {(bytes: Uint8Array) => any} */ take) => (/** @type {Uint8Array} */ bytes) => {
      this.flushSoon()
      return take(bytes)
    }
    const replaced = (/** @type {() => any} */ take) => {
      this.flushSoon()
      take()
      this.pace = new Pace(this.setup.frameBudgetMs)
    }
    sync.attach({
      root: kept((bytes) => engine.syncRoot(bytes)),
      manifest: kept((bytes) => engine.syncManifest(bytes, now())),
      bundle: (bytes) => replaced(() => engine.syncBundle(bytes)),
      delta: (base, bytes) => replaced(() => engine.syncDelta(base, bytes)),
      stored: (name) => this.store.readBundle(name),
      state: () => engine.syncState(now()),
    })
  }

  /** @param {any} engine */
  async readLogInto(engine) {
    const { platform } = this.setup
    // Switched off or not agreed to, the log stays unread on the disk.
    if (!this.consentStands(engine) || !engine.personalisation()) return
    await this.useKey(engine)
    const files = await this.store.readLog()
    if (this.closed) return
    this.note(engine.openLog(files, platform.utcOffsetMinutes()).notes)
    this.logOpen = true
  }

  /**
   * Seals the log where the client keeps secrets. Only once there is an agreement: before it nothing is stored.
   * @param {any} engine
   */
  async useKey(engine) {
    const known = await this.store.readKey()
    if (known) return engine.setKey(known, false)
    const made = engine.newKey()
    if (made && (await this.store.keepKey(made))) engine.setKey(made, true)
  }

  /** Reads the log after the user has agreed, or has switched personalisation on again. */
  async openLog() {
    const engine = this.engine
    if (!engine || this.logOpen) return
    this.opening = true
    try {
      // What is still queued belongs to the files that are about to be read.
      await this.store.flush(engine)
      if (engine === this.engine) await this.readLogInto(engine)
    } finally {
      this.opening = false
    }
    if (engine === this.engine) this.replay()
    this.flushSoon()
  }

  /** After any decision of the user. @returns {Promise<void>} */
  async openLogIfAllowed() {
    const engine = this.engine
    if (engine && !this.logOpen && this.consentStands(engine) && engine.personalisation()) await this.openLog()
  }

  /** The engine has let go of the log. */
  logClosed() {
    this.logOpen = false
    this.unflushed = 0
  }

  /** @param {string[] | undefined} notes */
  note(notes) {
    for (const code of notes || []) this.setup.report(failure(code))
  }

  /** What goes wrong here is told and costs nothing else. @param {() => void} work */
  attempt(work) {
    try {
      work()
    } catch (error) {
      this.setup.report(toFailure(error))
    }
  }

  /** Whether there is an agreement, to the policy as it stands now. @param {any} [engine] */
  consentStands(engine = this.engine) {
    const consent = engine.consentState()
    const version = this.setup.policyVersion
    return consent.status === 'granted' && (version === undefined || consent.policyVersion === version)
  }

  /**
   * Runs a call of the engine. What is thrown without a code is a trap: nothing in that instance can be trusted then.
   * @template T
   * @param {(engine: any) => T} work
   * @returns {T}
   */
  call(work) {
    const engine = this.engine
    if (engine && this.generation !== this.setup.runtime.generation) this.rebuild()
    if (!this.engine) throw new ZhijiError(this.degraded)
    try {
      return work(this.engine)
    } catch (error) {
      const code = error && /** @type {any} */ (error).code
      if (code && code !== 'INTERNAL') throw error
      this.fail(error)
      throw new ZhijiError('INTERNAL')
    }
  }

  /** @param {any} error */
  fail(error) {
    const { code, message } = toFailure(error)
    this.degraded = code
    this.engine = null
    this.setup.sync.attach(null)
    if (code === 'INTERNAL') {
      this.setup.runtime.abandon(this.generation)
      this.rebuild()
    }
    this.setup.report({ code, name: 'ZhijiError', message })
  }

  /** A fresh engine from what was stored. The handle that the page holds stays. */
  rebuild() {
    this.engine = null
    this.degraded = 'INTERNAL'
    this.logOpen = false
    this.unflushed = 0
    this.setup.sync.attach(null)
    this.store.close()
    if (this.rebuilds >= REBUILDS_MOST || this.closed) return
    this.rebuilds++
    this.opening = true
    this.interner = new Interner(this.setup.outline)
    const before = this.store.chain
    this.store = new Store(this.setup.platform, this.setup.outline.space, this.account, this.setup.report)
    this.store.chain = before
    this.ready = this.start()
  }

  /**
   * Records, or keeps for later while the log is being read.
   * @param {string} action
   * @param {any} item the item, or no more than its id
   * @param {number} atMs
   * @param {any} detail
   * @returns {boolean}
   */
  track(action, item, atMs, detail) {
    if (this.engine && this.generation !== this.setup.runtime.generation) this.rebuild()
    if (this.opening) {
      if (this.pending.length < PENDING_MOST) this.pending.push({ action, item, atMs, detail })
      return true
    }
    return this.call((engine) => {
      // Without an agreement the engine has no open log, and records nothing.
      const handle = this.handleOf(engine, item)
      const recorded = engine.track(action, handle, atMs, detail)
      if (recorded && ++this.unflushed >= FLUSH_EVENTS) this.flush()
      else if (recorded) this.flushSoon()
      return recorded
    })
  }

  /**
   * @param {any} engine
   * @param {any} item
   * @returns {number}
   */
  handleOf(engine, item) {
    const known = this.interner.handleOf(item.id)
    // An id alone says nothing about the item's fields.
    if (known >= 0 && Object.keys(item).length === 1) return known
    if (Object.keys(item).length === 1) throw new ZhijiError('UNKNOWN_ITEM')
    const handle = this.interner.handles(engine, [item], (error) => { throw error })[0]
    return handle
  }

  replay() {
    const pending = this.pending
    this.pending = []
    if (!this.logOpen) return
    for (const { action, item, atMs, detail } of pending) this.attempt(() => this.track(action, item, atMs, detail))
  }

  /** Brings the personal head up to the log, a slice at a time; until then the frozen model ranks. */
  adapt() {
    const { platform } = this.setup
    if (!this.engine || !this.logOpen || this.adaptTimer || this.closed) return
    this.attempt(() => {
      const began = platform.now()
      const current = this.call((engine) => engine.adapt(this.sliceEvents))
      const tookMs = platform.now() - began
      if (tookMs > SLICE_MS) this.sliceEvents = Math.max(1, this.sliceEvents >> 1)
      else if (tookMs < SLICE_MS / 4) this.sliceEvents = Math.min(SLICE_EVENTS_MOST, this.sliceEvents * 2)
      if (current) return
      this.adaptTimer = platform.setTimer(() => {
        this.adaptTimer = null
        this.adapt()
      }, 0)
    })
  }

  flushSoon() {
    this.adapt()
    if (this.flushTimer || this.closed) return
    this.flushTimer = this.setup.platform.setTimer(() => {
      this.flushTimer = null
      this.flush()
    }, FLUSH_MS)
  }

  /** @returns {Promise<boolean>} whether everything recorded so far is in the files */
  async flush() {
    const engine = this.engine
    if (!engine) return false
    this.unflushed = 0
    this.adapt()
    try {
      return await this.store.flush(engine)
    } catch (error) {
      if (engine === this.engine) this.fail(error)
      return false
    }
  }

  /** The phone suspends the page five seconds after it hides. */
  hide() {
    if (this.logOpen && this.engine) this.attempt(() => this.call((engine) => engine.flushSnapshot()))
    return this.flush()
  }

  /** Stores what there is and frees the engine. */
  async close() {
    this.pending = []
    await this.flush()
    this.closed = true
    if (this.flushTimer) this.setup.platform.clearTimer(this.flushTimer)
    if (this.adaptTimer) this.setup.platform.clearTimer(this.adaptTimer)
    this.store.close()
    await this.store.chain
    if (this.engine && this.generation === this.setup.runtime.generation) this.engine.free()
    this.engine = null
    this.degraded = 'NOT_READY'
  }
}

/** @typedef {Session} Instance */

module.exports = { Session }

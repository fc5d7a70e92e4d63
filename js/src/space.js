// @ts-check
'use strict'
// What a page holds: one space. It fails open: outside `develop` nothing here throws, the page's own order comes back
// and onError hears a code.

const { ZhijiError, STATES, codeOf, toFailure } = require('./failure')
const { Feed } = require('./feed')
const { Visit } = require('./visit')
const { Session } = require('./session')
const { fingerprint } = require('./fingerprint')
const privacy = require('./privacy')
const { rank, pageOrder, checked, NO_SLATE, NO_TIER } = require('./ranking')

const POOL = 60
const RETRIEVED = 100
const CATALOGUE_MOST = 20000
const GUEST = 'guest'

class Space {
  /**
   * @param {import('./session').Setup} setup
   * @param {string | undefined} account
   */
  constructor(setup, account) {
    const { platform } = setup
    this.platform = platform
    this.outline = setup.outline
    /** @type {Set<(failure: import('./failure').Failure) => void>} */
    this.errorListeners = new Set()
    /** @type {Set<(state: any) => void>} */
    this.consentListeners = new Set()
    /** @type {Set<import('./feed').Instance>} */
    this.feeds = new Set()
    /** @type {Set<import('./visit').Instance>} */
    this.visits = new Set()
    /** The schema's fields of what the page has shown the package, by id. @type {Map<string, any>} */
    this.catalogue = new Map()
    /** What the page has taken out. @type {Set<string>} */
    this.removed = new Set()
    this.setup = Object.assign({}, setup, { report: (/** @type {any} */ failure) => this.report(failure) })
    this.account = this.folderOf(account)
    this.session = new Session(this.setup, this.account)
    this.switching = Promise.resolve()
    platform.onHide(() => {
      for (const visit of this.visits) visit.setHidden(true)
      this.session.hide()
    })
    platform.onShow(() => {
      for (const visit of this.visits) visit.setHidden(false)
    })
  }

  /** @param {string | undefined} account */
  folderOf(account) {
    return account ? fingerprint(`${this.outline.space}:${account}`) : GUEST
  }

  /** @param {import('./failure').Failure} failure */
  report(failure) {
    for (const listener of this.errorListeners) {
      try {
        listener(failure)
      } catch (_) {
        // A page's monitoring must not break the page.
      }
    }
  }

  /**
   * Runs a call of the page. A state is answered silently; a mistake is thrown in `develop` and told in release.
   * @template T
   * @param {(code: string) => T} otherwise
   * @param {() => T} work
   * @returns {T}
   */
  open(otherwise, work) {
    try {
      return work()
    } catch (error) {
      const code = codeOf(error)
      if (!STATES.includes(code)) {
        const failure = toFailure(error)
        // A trap was already told by the session.
        if (code !== 'INTERNAL') this.report(failure)
        if (this.platform.develop) throw error instanceof ZhijiError ? error : new ZhijiError(code, failure.message)
      }
      return otherwise(code)
    }
  }

  /** @param {any[]} items */
  register(items) {
    for (const item of items) {
      this.removed.delete(item.id)
      this.catalogue.delete(item.id)
      this.catalogue.set(item.id, this.session.interner.record(item))
    }
    if (this.catalogue.size > CATALOGUE_MOST) {
      let excess = this.catalogue.size - CATALOGUE_MOST
      for (const id of this.catalogue.keys()) {
        if (excess-- <= 0) break
        this.catalogue.delete(id)
      }
    }
  }

  /**
   * @param {any[]} candidates
   * @param {any[]} shown
   * @param {{surface?: string, slots: number, offset: number}} options
   * @returns {import('./ranking').Slate}
   */
  slate(candidates, shown, options) {
    return this.open((code) => pageOrder(this.outline, candidates, options, code), () => {
      if (this.session.degraded) throw new ZhijiError(this.session.degraded)
      const moment = { nowMs: this.platform.now(), scene: this.platform.scene() }
      return rank(this.session, candidates, shown, Object.assign(moment, options), (error) => this.refused(error))
    })
  }

  /** @param {any} error */
  refused(error) {
    if (this.platform.develop) throw error
    this.report(toFailure(error))
  }

  /** @param {string} surface @param {{pool?: number}} [options] */
  feed(surface, options) {
    const feed = new Feed({
      rankFor: (own, candidates, slots) => this.slate(candidates, own.shown, { surface: own.surface, slots, offset: own.shown.length }),
      register: (items) => this.register(items),
      closed: (own) => { this.feeds.delete(own) },
    }, surface, (options && options.pool) || POOL)
    this.feeds.add(feed)
    return {
      get degraded() { return feed.degraded },
      wants: () => feed.wants(),
      push: (/** @type {any[]} */ items) => this.open(() => {}, () => feed.push(items)),
      next: (/** @type {number} */ count) => this.open(() => /** @type {any[]} */ ([]), () => feed.next(count)),
      close: () => feed.close(),
    }
  }

  /** @param {any[]} candidates @param {{surface?: string, slots?: number}} [options] */
  rank(candidates, options) {
    const given = options || {}
    return this.open((code) => {
      const items = Array.isArray(candidates) ? candidates.slice(0, given.slots) : []
      return { slate: NO_SLATE, items, personalised: false, tier: NO_TIER, degraded: code }
    }, () => {
      const unique = checked(candidates)
      this.register(unique)
      return this.slate(unique, [], { surface: given.surface, slots: given.slots === undefined ? unique.length : given.slots, offset: 0 })
    })
  }

  /** @param {{count?: number, seen?: boolean, except?: readonly string[]}} [options] */
  retrieve(options) {
    const { count = RETRIEVED, seen, except } = options || {}
    return this.open((code) => ({ ids: /** @type {string[]} */ ([]), degraded: code }), () => this.session.call((engine) => {
      const without = new Set(except)
      this.removed.forEach((id) => without.add(id))
      // What was given before the engine worked: it knows blocks and stock of items only once it knows the items.
      this.session.interner.handles(engine, Array.from(this.catalogue.values()), () => {})
      const found = /** @type {string[]} */ (engine.retrieve(count + without.size, Boolean(seen), this.platform.now()))
      return { ids: found.filter((id) => !without.has(id)).slice(0, count), degraded: '' }
    }))
  }

  /** @param {any[]} items */
  upsert(items) {
    this.open(() => {}, () => {
      const fresh = checked(items)
      this.register(fresh)
      for (const item of fresh) for (const feed of this.feeds) feed.patch(item.id, item)
      if (this.session.engine) this.session.call((engine) => this.session.interner.handles(engine, fresh, (error) => this.refused(error)))
    })
  }

  /** @param {string} id @param {any} fields */
  patch(id, fields) {
    this.open(() => {}, () => {
      const known = this.catalogue.get(id)
      if (!known) throw new ZhijiError('UNKNOWN_ITEM')
      for (const feed of this.feeds) feed.patch(id, fields)
      this.upsert([Object.assign({}, known, fields, { id })])
    })
  }

  /** @param {string | string[]} ids */
  remove(ids) {
    this.open(() => {}, () => {
      const list = ([]).concat(/** @type {any} */ (ids))
      for (const id of list) {
        this.catalogue.delete(id)
        this.removed.add(id)
      }
      for (const feed of this.feeds) feed.drop(list)
      if (this.session.engine) this.session.call((engine) => engine.removeItems(list))
      this.session.interner.remove(list)
    })
  }

  /**
   * @param {string} action
   * @param {string} id
   * @param {any} [detail]
   * @returns {boolean}
   */
  track(action, id, detail) {
    return this.open(() => false, () => {
      if (typeof id !== 'string') throw new ZhijiError('BAD_ARGUMENT', 'track() takes an action and an id that is a text.')
      if (!this.outline.hasAction(action)) throw new ZhijiError('UNKNOWN_ACTION', 'The schema has no such action.')
      const item = this.catalogue.get(id) || { id }
      const given = Object.assign({ scene: this.platform.scene() }, detail)
      // The engine counts only what a draw has decided as a probability.
      if (!(given.propensity > 0)) delete given.propensity
      return this.session.track(action, item, this.platform.now(), given)
    })
  }

  /** @param {string} id @param {any} [detail] */
  visit(id, detail) {
    const visit = new Visit(this.platform.now, (dwellMs) => {
      this.visits.delete(visit)
      if (this.outline.hasAction('dwell')) this.track('dwell', id, Object.assign({}, detail, { dwellMs }))
    })
    this.visits.add(visit)
    return { pause: () => visit.pause(), resume: () => visit.resume(), end: () => visit.end() }
  }

  /** @param {string} id @param {number} [reason] */
  feedback(id, reason) {
    const action = this.outline.dislike
    const recorded = this.track(action, id, reason === undefined ? {} : { reason })
    for (const feed of this.feeds) feed.drop([id])
    return {
      recorded,
      undo: () => this.open(() => false, () => this.session.call((engine) => {
        const done = engine.undo(this.session.interner.handleOf(id), action)
        this.session.flush()
        return done
      })),
    }
  }

  /**
   * Another person on the same phone: another log, another consent.
   * @param {string | null | undefined} account
   * @returns {Promise<void>}
   */
  user(account) {
    this.switching = this.switching.then(async () => {
      const folder = this.folderOf(account || undefined)
      if (folder === this.account) return
      this.account = folder
      await this.session.ready
      await this.session.close()
      this.session = new Session(this.setup, folder)
      await this.session.ready
      privacy.tellConsent(this)
    })
    return this.switching
  }

  /**
   * What this build answers to the probes of a bundle, as bit patterns.
   * @param {ArrayBuffer | Uint8Array} bundle
   * @returns {number[]}
   */
  golden(bundle) {
    const { api } = this.session
    return this.open(() => [], () => Array.from(api ? api.golden(new Uint8Array(bundle)) : []))
  }

  diagnostics() {
    const session = this.session
    const engine = session.engine
    return {
      build: session.build,
      degraded: session.degraded,
      startMs: session.startMs,
      storage: this.platform.files ? (session.store.halted ? 'halted' : 'files') : 'memory',
      engineVersion: session.api ? session.api.engineVersion() : '',
      budgetMs: session.pace.budgetMs,
      report: engine ? this.open(() => null, () => session.call((live) => live.report())) : null,
      sync: engine ? this.open(() => null, () => session.call((live) => live.syncState(this.platform.now()))) : null,
    }
  }
}

/**
 * The handle: plain functions, so that a page may take them apart.
 * @param {Space} space
 */
function handleOf(space) {
  return Object.assign({
    ready: () => space.session.ready.then(() => ({ build: space.session.build, degraded: space.session.degraded })),
    feed: space.feed.bind(space),
    rank: space.rank.bind(space),
    retrieve: space.retrieve.bind(space),
    items: { upsert: space.upsert.bind(space), patch: space.patch.bind(space), remove: space.remove.bind(space) },
    track: space.track.bind(space),
    visit: space.visit.bind(space),
    feedback: space.feedback.bind(space),
    user: space.user.bind(space),
    impressionAction: space.outline.impression,
    flush: () => space.session.flush(),
    diagnostics: space.diagnostics.bind(space),
    golden: space.golden.bind(space),
    onError(/** @type {(failure: import('./failure').Failure) => void} */ listener) {
      space.errorListeners.add(listener)
      return () => { space.errorListeners.delete(listener) }
    },
  }, privacy.callsOf(space))
}

/** @typedef {Space} Instance */

module.exports = { Space, handleOf }

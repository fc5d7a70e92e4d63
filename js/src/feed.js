// @ts-check
'use strict'
// A list that grows at its end. The page pushes candidates into the pool, and takes the best of it in batches; a card
// that was handed out is never handed out again and never moves.

const { checked } = require('./ranking')
const { ZhijiError } = require('./failure')

class Feed {
  /**
   * @param {{rankFor: (feed: Feed, candidates: any[], slots: number) => import('./ranking').Slate, register: (items: any[]) => void, closed: (feed: Feed) => void}} host
   * @param {string} surface
   * @param {number} size
   */
  constructor(host, surface, size) {
    this.host = host
    this.surface = surface
    this.size = size
    /** @type {Map<string, any>} */
    this.pool = new Map()
    /** @type {any[]} */
    this.shown = []
    /** @type {Set<string>} */
    this.shownIds = new Set()
    /** Every id that was ever pushed: an update of price or stock is no further candidate. @type {Set<string>} */
    this.pushedIds = new Set()
    this.asked = 0
    this.exhausted = false
    this.degraded = ''
  }

  /**
   * Whether the page should push more. It counts what was pushed and what was asked for, never what the user's blocks
   * and habits have left of it: a page that fetches when this says so tells its server how far was scrolled and no more.
   */
  wants() {
    return !this.exhausted && this.pushedIds.size - this.asked < this.size
  }

  /** @param {any[]} items none: the page has no more */
  push(items) {
    const fresh = checked(items)
    if (!fresh.length) this.exhausted = true
    this.host.register(fresh)
    for (const item of fresh) {
      this.pushedIds.add(item.id)
      // The later word on price and stock holds, also for a candidate that is already waiting.
      if (!this.shownIds.has(item.id)) this.pool.set(item.id, item)
    }
  }

  /**
   * The next batch. It is shorter, or empty, when the pool has no more that may be shown.
   * @param {number} count
   * @returns {any[]}
   */
  next(count) {
    if (!(count > 0)) throw new ZhijiError('BAD_ARGUMENT', 'next() takes the number of cards, at least 1.')
    this.asked += count
    const slate = this.host.rankFor(this, Array.from(this.pool.values()), Math.floor(count))
    this.degraded = slate.degraded
    for (const item of slate.items) {
      this.pool.delete(item.id)
      this.shownIds.add(item.id)
      this.shown.push(item)
    }
    return slate.items
  }

  /** @param {string} id @param {any} fields */
  patch(id, fields) {
    const item = this.pool.get(id)
    if (item) this.pool.set(id, Object.assign({}, item, fields))
  }

  /** @param {string[]} ids */
  drop(ids) {
    for (const id of ids) this.pool.delete(id)
  }

  close() {
    this.pool.clear()
    this.exhausted = true
    this.host.closed(this)
  }
}

/** @typedef {Feed} Instance */

module.exports = { Feed }

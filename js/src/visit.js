// @ts-check
'use strict'

const VISIT_MOST_MS = 6 * 3600 * 1000

/** Time spent on one item's page: the clock stands while the page or the mini-program is hidden. */
class Visit {
  /**
   * @param {() => number} now
   * @param {(dwellMs: number) => void} done
   */
  constructor(now, done) {
    this.now = now
    this.done = done
    this.totalMs = 0
    this.sinceMs = now()
    this.running = true
    this.paused = false
    this.hidden = false
    this.ended = false
  }

  /** The item's page is hidden by another page. */
  pause() {
    this.paused = true
    this.settle()
  }

  resume() {
    this.paused = false
    this.settle()
  }

  /** The whole mini-program is hidden, or shown again. @param {boolean} hidden */
  setHidden(hidden) {
    this.hidden = hidden
    this.settle()
  }

  settle() {
    const runs = !this.paused && !this.hidden && !this.ended
    if (runs === this.running) return
    this.running = runs
    // A clock that was set back must not take time away.
    if (runs) this.sinceMs = this.now()
    else this.totalMs += Math.max(0, this.now() - this.sinceMs)
  }

  /** Ends the visit once; gives its length. */
  end() {
    const first = !this.ended
    this.ended = true
    this.settle()
    const dwellMs = Math.min(Math.round(this.totalMs), VISIT_MOST_MS)
    if (first) this.done(dwellMs)
    return dwellMs
  }
}

/** @typedef {Visit} Instance */

module.exports = { Visit }

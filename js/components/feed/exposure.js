// @ts-check
// Which cards are being looked at, and for how long. It knows nothing of pages: the component tells it what is visible.

const LEAST_MS = 300

class Exposure {
  /**
   * @param {{seen: (key: string, first: boolean) => boolean, left: (key: string, dwellMs: number) => void}} told
   *   `seen` says whether that is on record
   */
  constructor(told) {
    this.told = told
    /** Cards in view, by key. @type {Map<string, {timer: any, sinceMs: number, totalMs: number}>} */
    this.inView = new Map()
    /** Those seen, and whether that is on record. @type {Map<string, boolean>} */
    this.seen = new Map()
    this.paused = false
  }

  /** @param {string} key */
  enter(key) {
    if (this.inView.has(key)) return
    const entry = { timer: null, sinceMs: 0, totalMs: 0 }
    this.inView.set(key, entry)
    if (!this.paused) this.run(key, entry)
  }

  /** @param {string} key */
  leave(key) {
    const entry = this.inView.get(key)
    if (!entry) return
    this.inView.delete(key)
    this.stop(entry)
    if (this.seen.has(key)) this.told.left(key, entry.totalMs)
  }

  /** @param {string} key @param {{timer: any, sinceMs: number, totalMs: number}} entry */
  run(key, entry) {
    entry.sinceMs = Date.now()
    if (this.seen.get(key)) return
    entry.timer = setTimeout(() => {
      entry.timer = null
      this.seen.set(key, this.told.seen(key, !this.seen.has(key)))
    }, LEAST_MS)
  }

  /** @param {{timer: any, sinceMs: number, totalMs: number}} entry */
  stop(entry) {
    if (entry.timer) clearTimeout(entry.timer)
    entry.timer = null
    if (entry.sinceMs) entry.totalMs += Math.max(0, Date.now() - entry.sinceMs)
    entry.sinceMs = 0
  }

  pause() {
    if (this.paused) return
    this.paused = true
    for (const entry of this.inView.values()) this.stop(entry)
  }

  resume() {
    if (!this.paused) return
    this.paused = false
    for (const [key, entry] of this.inView) this.run(key, entry)
  }

  /** Something may be recorded that could not be before: cards in view that are not on record are looked at from now on. */
  again() {
    for (const [key, entry] of this.inView) {
      if (this.seen.get(key) !== false) continue
      this.stop(entry)
      entry.totalMs = 0
      if (!this.paused) this.run(key, entry)
    }
  }

  /** Everything leaves. */
  close() {
    for (const key of Array.from(this.inView.keys())) this.leave(key)
  }
}

module.exports = { Exposure, LEAST_MS }

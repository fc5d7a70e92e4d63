// @ts-check
'use strict'
// Which tier of the model ranks next. A bundle may carry up to three, from full to light: a phone without a JIT takes
// fifty times as long for the full one. Only the time that own calls took decides, and it decides about later slates
// alone. docs/adr/0010 says what this means for "the same slate".

/** Half a frame at 60 Hz: the page needs the other half. */
const BUDGET_MS = 8
/** So many slow calls in a row, and the next tier takes over; one alone may be the work of somebody else on the phone. */
const SLOW_CALLS = 2
/** So many times the budget is no accident. */
const HOPELESS = 4
/**
 * So many fast calls in a row, and the fuller tier is tried again. Every step down doubles the number, so that a phone does
 * not go to and fro; every trial that held halves it.
 */
const FAST_CALLS_LEAST = 2
const FAST_CALLS_MOST = 256
/** What a fast call leaves of the budget is what a fuller tier may take. */
const FAST_SHARE = 0.5

/** What has been measured of one model. */
class Pace {
  /** @param {number | undefined} budgetMs */
  constructor(budgetMs) {
    this.budgetMs = budgetMs !== undefined && budgetMs > 0 ? budgetMs : BUDGET_MS
    this.tier = 0
    this.slow = 0
    this.fast = 0
    this.fastCalls = FAST_CALLS_LEAST
    /** Whether the tier is on trial: it was stepped up to, and has not yet held for as many calls as that was waited for. */
    this.trial = false
  }

  /**
   * Takes note of one ranking.
   * @param {number} tookMs
   * @param {number} tier that ranked; -1 where no model did
   * @param {number} tiers how many the model has
   */
  measure(tookMs, tier, tiers) {
    if (tier < 0) return
    // The model may have fewer than the one before.
    this.tier = tier
    // A clock that was set back measures nothing.
    if (tookMs > this.budgetMs) this.wasSlow(tookMs, tiers)
    else if (tookMs >= 0) this.wasFast(tookMs)
  }

  /** @param {number} tookMs @param {number} tiers */
  wasSlow(tookMs, tiers) {
    this.fast = 0
    this.slow++
    if (!this.trial && this.slow < SLOW_CALLS && tookMs <= HOPELESS * this.budgetMs) return
    this.slow = 0
    if (this.tier + 1 >= tiers) return
    this.fastCalls = Math.min(2 * this.fastCalls, FAST_CALLS_MOST)
    this.trial = false
    this.tier++
  }

  /** @param {number} tookMs */
  wasFast(tookMs) {
    this.slow = 0
    this.fast = this.trial || tookMs <= FAST_SHARE * this.budgetMs ? this.fast + 1 : 0
    if (this.fast < this.fastCalls) return
    this.fast = 0
    if (this.trial) {
      this.trial = false
      this.fastCalls = Math.max(FAST_CALLS_LEAST, this.fastCalls / 2)
    } else if (this.tier > 0) {
      this.trial = true
      this.tier--
    }
  }
}

/** @typedef {Pace} Instance */

module.exports = { Pace, BUDGET_MS }

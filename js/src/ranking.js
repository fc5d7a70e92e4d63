// @ts-check
'use strict'
// From candidates to a slate. One call in, typed arrays both ways.

const { ZhijiError } = require('./failure')
const { isOffered } = require('./schema')

const AD = 1
const PINNED = 2
/** Propensity of a slot that no draw has decided. */
const DETERMINISTIC = -1
/** Slate of a card that no engine has placed. */
const NO_SLATE = -1
/** Tier of a slate that no model has ranked. */
const NO_TIER = -1

/**
 * @typedef {object} Slate
 * @property {number} slate -1 where no engine made it
 * @property {any[]} items copies of the candidates, each with what tracking needs under `__zhiji`
 * @property {boolean} personalised
 * @property {number} tier of the model that ranked, 0 is the fullest; -1 where none did
 * @property {string} degraded
 */

/** @param {any} candidates @returns {any[]} */
function checked(candidates) {
  if (!Array.isArray(candidates)) throw new ZhijiError('BAD_ARGUMENT', 'Candidates must be an array of items.')
  const seen = new Set()
  return candidates.filter((item) => {
    if (!item || typeof item.id !== 'string' || item.id === '') {
      throw new ZhijiError('BAD_ARGUMENT', 'Every candidate needs an id that is a text.')
    }
    if (seen.has(item.id)) return false
    seen.add(item.id)
    return true
  })
}

/**
 * @param {any} item
 * @param {{slate: number, position: number, propensity: number, reason: number, surface: string}} shown
 */
function marked(item, shown) {
  return Object.assign({}, item, { __zhiji: shown })
}

/**
 * The page's own order, without what is sold out.
 * @param {import('./schema').Outline} outline
 * @param {any[]} candidates
 * @param {{surface?: string, slots: number, offset: number}} options
 * @param {string} code
 * @returns {Slate}
 */
function pageOrder(outline, candidates, options, code) {
  const surface = options.surface || ''
  const items = candidates.filter((item) => isOffered(outline, item)).slice(0, options.slots)
    .map((item, at) => marked(item, { slate: NO_SLATE, position: options.offset + at, propensity: DETERMINISTIC, reason: 0, surface }))
  return { slate: NO_SLATE, items, personalised: false, tier: NO_TIER, degraded: code }
}

/**
 * @param {import('./session').Instance} session
 * @param {any[]} candidates without duplicates
 * @param {any[]} shown items that are already on this feed, oldest first
 * @param {{surface?: string, slots: number, offset: number, nowMs: number, scene: number}} options
 * @param {(error: any) => void} refused
 * @returns {Slate}
 */
function rank(session, candidates, shown, options, refused) {
  return session.call((engine) => {
    const { outline } = session.setup
    const all = session.interner.handles(engine, candidates, refused)
    const usable = candidates.filter((_, at) => all[at] >= 0)
    const count = usable.length
    const handles = Uint32Array.from(all.filter((handle) => handle >= 0))
    const volatiles = new Float32Array(count * outline.volatiles.length)
    const priors = new Float32Array(usable.some((item) => typeof item.prior === 'number') ? count : 0)
    const special = usable.some((item) => item.ad || typeof item.pinned === 'number')
    const flags = new Uint8Array(special ? count : 0)
    const pins = new Uint32Array(special ? count : 0)
    usable.forEach((item, at) => {
      outline.volatiles.forEach((name, column) => {
        volatiles[at * outline.volatiles.length + column] = typeof item[name] === 'number' ? item[name] : NaN
      })
      if (priors.length) priors[at] = typeof item.prior === 'number' ? item.prior : NaN
      if (special) {
        flags[at] = (item.ad ? AD : 0) | (typeof item.pinned === 'number' ? PINNED : 0)
        pins[at] = typeof item.pinned === 'number' ? item.pinned : 0
      }
    })
    const before = Uint32Array.from(session.interner.handles(engine, shown, () => {}).filter((handle) => handle >= 0))
    // What a tier cannot change, such as the reading of new items, is not its fault.
    const { platform } = session.setup
    const beganMs = platform.now()
    const answer = engine.rank(handles, volatiles, priors, flags, pins, before, {
      surface: options.surface, slots: options.slots, nowMs: options.nowMs, offset: options.offset, tier: session.pace.tier,
    })
    session.pace.measure(platform.now() - beganMs, answer.tier, answer.tiers)
    const surface = options.surface || ''
    /** @type {any[]} */
    const items = []
    answer.order.forEach((/** @type {number} */ index, /** @type {number} */ at) => {
      items.push(marked(usable[index], {
        slate: answer.slate, position: options.offset + at, propensity: answer.propensities[at], reason: answer.reasons[at], surface,
      }))
    })
    // What the engine could not read is still the page's to show, after everything else.
    const unread = candidates.filter((item, at) => all[at] < 0 && isOffered(outline, item)).slice(0, Math.max(0, options.slots - items.length))
    for (const item of unread) {
      items.push(marked(item, { slate: NO_SLATE, position: options.offset + items.length, propensity: DETERMINISTIC, reason: 0, surface }))
    }
    return { slate: answer.slate, items, personalised: answer.personalised, tier: answer.tier, degraded: answer.degraded || '' }
  })
}

module.exports = { rank, pageOrder, checked, NO_SLATE, NO_TIER }

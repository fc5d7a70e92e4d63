// @ts-check
// The measurements of pages/selftest: which build runs, whether its numbers are the right ones, how long it takes on this phone.
const zhiji = require('../recommender')
const golden = require('./golden')
const fingerprint = require('./fingerprint')
const catalogue = require('./catalogue')
const probe = require('./storage-probe')
const device = require('./device')

const REPEATS = 5

/** @typedef {{ key: string, value: string, verdict: 'pass' | 'fail' | 'skip' }} Row */

/**
 * The bytes that pairs of hexadecimal digits are.
 * @param {string} digits
 */
function bytes(digits) {
  const out = new Uint8Array(digits.length / 2)
  for (let at = 0; at < out.length; at++) out[at] = parseInt(digits.slice(2 * at, 2 * at + 2), 16)
  return out
}

/**
 * Ranks several times: the middle of the times in milliseconds, and the tier of the model that ranked last, 0 being the fullest.
 * @param {number} count
 */
function ranking(count) {
  const times = []
  let tier = -1
  for (let k = 0; k < REPEATS; k++) {
    const began = Date.now()
    tier = zhiji.rank(candidates(count), { surface: 'home', slots: 10 }).tier
    times.push(Date.now() - began)
  }
  return { ms: times.sort((a, b) => a - b)[REPEATS >> 1], tier }
}

/** @param {number} count */
function candidates(count) {
  const loaded = catalogue.loaded()
  const list = []
  for (let k = 0; k < count && loaded.length; k++) {
    const item = loaded[k % loaded.length]
    // Copies under ids of their own, so that a thousand candidates are a thousand items; nobody ever sees or records them.
    list.push(k < loaded.length ? item : Object.assign({}, item, { id: 'selftest-' + k }))
  }
  return list
}

/**
 * Writes, reads back and removes a few records.
 * @returns {Promise<boolean>}
 */
async function filesWork() {
  const before = await probe.verdict()
  if (before) return before.kept // the kill test's own files are the better witness; they stay
  await probe.run((count) => count < 20)
  const verdict = await probe.verdict()
  await probe.clear()
  return Boolean(verdict && verdict.kept && verdict.whole === 20 && verdict.tornBytes === 0)
}

/**
 * A time, and behind it the tier of the model where there are several.
 * @param {string} key
 * @param {{ ms: number, tier: number }} measured
 * @param {number} tiers
 * @returns {Row}
 */
function timed(key, measured, tiers) {
  if (measured.ms < 0) return { key, value: '', verdict: 'skip' }
  const tier = tiers > 1 && measured.tier >= 0 ? ' · ' + (measured.tier + 1) + ' / ' + tiers : ''
  return { key, value: measured.ms + ' ms' + tier, verdict: 'pass' }
}

/**
 * @returns {Promise<{ rows: Row[], result: object }>}
 */
exports.run = async function () {
  const killed = await probe.verdict().catch(() => null)
  const engine = zhiji.diagnostics()
  const answers = zhiji.golden(bytes(golden.bundle))
  const hash = answers.length ? fingerprint(answers) : ''
  const none = { ms: -1, tier: -1 }
  const rank = engine.build ? ranking(60) : none
  const rankMany = engine.build ? ranking(1000) : none
  const tiers = engine.report ? Number(engine.report.tiers) : 0
  const files = await filesWork().catch(() => false)
  const right = hash === golden.fingerprint && answers.length === golden.words
  const model = engine.sync ? engine.sync.version : 0
  /** @type {Row[]} */
  const rows = [
    { key: 'build', value: engine.build ? engine.build + ' · ' + engine.engineVersion : engine.degraded, verdict: engine.build ? 'pass' : 'fail' },
    { key: 'golden', value: hash ? hash + ' · ' + answers.length : '', verdict: !hash ? 'skip' : right ? 'pass' : 'fail' },
    { key: 'model', value: model ? String(model) : '', verdict: model ? 'pass' : 'skip' },
    { key: 'start', value: engine.build ? engine.startMs + ' ms' : '', verdict: engine.build ? 'pass' : 'skip' },
    timed('rank', rank, tiers),
    timed('rankMany', rankMany, tiers),
    { key: 'storage', value: '', verdict: files ? 'pass' : 'fail' },
    { key: 'kill', value: killed ? killed.whole + ' / ' + killed.acknowledged : '', verdict: !killed ? 'skip' : killed.kept ? 'pass' : 'fail' },
  ]
  const result = {
    format: 1,
    device: device.describe(),
    build: engine.build,
    engineVersion: engine.engineVersion,
    model,
    golden: { fingerprint: hash, right },
    startMs: engine.startMs,
    storage: engine.storage,
    rankMs: { of60: rank.ms, of1000: rankMany.ms },
    tier: { of60: rank.tier, of1000: rankMany.tier, tiers, budgetMs: engine.budgetMs },
    files,
    kill: killed,
  }
  return { rows, result }
}

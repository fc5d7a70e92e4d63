// @ts-check
// What the pages share about the recommender: whether it is on, whether to ask, and whether the person changed his mind since a list was made.
const zhiji = require('../recommender')
const config = require('../config')

let changes = 0
/** Settles when the record has been read that the switch has just allowed to be read. */
let reading = Promise.resolve()

/** Rises with every change of consent, switch, block or interest: a list made before it is out of date. */
exports.changes = () => changes

/** To be called after anything on the privacy pages. */
exports.changed = function () { changes++ }

/** To be called after the switch was moved: turned on, the record is read first, and a list made before that would not know it. */
exports.switched = function () {
  changes++
  if (!exports.active()) return
  reading = new Promise((resolve) => {
    const stop = zhiji.consent.onChange(() => { stop(); resolve() })
  })
}

/** Whether goods are in a personal order now. */
exports.active = () => zhiji.consent.state().status === 'granted' && zhiji.personalisation()

/** Whether nobody has answered yet, or has agreed to an older text. */
exports.mustAsk = () => zhiji.consent.state().ask

/** @returns {Promise<unknown>} settles when the answer holds */
exports.agree = function () {
  changes++
  return zhiji.consent.grant({ policyVersion: config.policyVersion, purposes: config.purposes })
}

/**
 * A refusal is remembered, so that it is not asked again, and whatever there was is erased.
 * @returns {Promise<unknown>}
 */
exports.refuse = function () {
  changes++
  return zhiji.consent.withdraw({ erase: true })
}

/**
 * Waits for the engine, but never longer than `limitMs`: a phone that cannot start it sees the shop's own order.
 * @param {number} limitMs
 * @returns {Promise<void>}
 */
exports.settled = function (limitMs) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, limitMs)
    const done = () => { clearTimeout(timer); resolve() }
    zhiji.ready().then(() => reading).then(done, done)
  })
}

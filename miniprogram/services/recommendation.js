// @ts-check
// What the pages share about the recommender: whether it is on, whether to ask, and whether the person changed his mind since a list was made.
const zhiji = require('../zhiji')
const config = require('../config')

let changes = 0

/** Rises with every change of consent, switch, block or interest: a list made before it is out of date. */
exports.changes = () => changes

/** To be called after anything on the privacy pages. */
exports.changed = function () { changes++ }

/** Whether goods are in a personal order now. */
exports.active = () => zhiji.consent.state().status === 'granted' && zhiji.personalisation()

/** Whether nobody has answered yet, or has answered an older text. */
exports.mustAsk = function () {
  const state = zhiji.consent.state()
  return state.status === 'unknown' || (state.status === 'granted' && state.policyVersion !== config.policyVersion)
}

exports.agree = function () {
  zhiji.consent.grant({ policyVersion: config.policyVersion, purposes: config.purposes })
  changes++
}

/** A refusal is remembered, so that it is not asked again, and whatever there was is erased. */
exports.refuse = function () {
  zhiji.consent.withdraw({ erase: true })
  changes++
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
    zhiji.ready.then(done, done)
  })
}

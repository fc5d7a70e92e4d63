// @ts-check
'use strict'
// What the user decides: consent, switch, interests, blocks, forgetting, export, erasure.

/** @typedef {import('./space').Instance} Space */

const UNKNOWN = { status: 'unknown', policyVersion: '', purposes: [], atMs: 0, ask: false }

/**
 * The consent as it stands; `ask` where the user has not answered, or answered to another version of the policy.
 * @param {Space} space
 */
function consentState(space) {
  return space.open(() => Object.assign({}, UNKNOWN), () => space.session.call((engine) => {
    const state = engine.consentState()
    const version = space.setup.policyVersion
    const outdated = state.status !== 'unknown' && version !== undefined && state.policyVersion !== version
    // A refusal is an answer to whatever the policy says: nobody is asked again who has said no.
    return Object.assign({}, state, { ask: state.status === 'unknown' || (outdated && state.status === 'granted') })
  }))
}

/** @param {Space} space */
function tellConsent(space) {
  const state = consentState(space)
  for (const listener of space.consentListeners) space.open(() => {}, () => listener(state))
}

/**
 * Waits for the engine, decides, stores, tells.
 * @param {Space} space
 * @param {(engine: any) => void} work
 * @returns {Promise<boolean>} whether the decision is in the files
 */
async function decide(space, work) {
  await space.session.ready
  const done = space.open(() => false, () => space.session.call((engine) => {
    work(engine)
    return true
  }))
  if (!done) return false
  await space.session.openLogIfAllowed()
  const stored = await space.session.flush()
  tellConsent(space)
  return stored
}

/** Codes as in the types: the engine's own words are lower case. @param {any} given */
function why(given) {
  const code = given.code.toUpperCase()
  return Object.assign({}, given, { code: code === 'PAGE' ? 'PAGE_ORDER' : code })
}

/** @param {Space} space */
function callsOf(space) {
  const now = () => space.platform.now()
  /**
   * A reading of the engine that is empty where there is none.
   * @template T
   * @param {() => T} otherwise
   * @param {(engine: any) => T} work
   */
  const read = (otherwise, work) => space.open(otherwise, () => space.session.call(work))
  /**
   * A list that the engine makes about one item; empty where the item was never given.
   * @param {string} id
   * @param {(engine: any, handle: number) => any[]} work
   */
  const ofItem = (id, work) => read(() => /** @type {any[]} */ ([]), (engine) => {
    const item = space.catalogue.get(id)
    const handle = item ? space.session.handleOf(engine, item) : space.session.interner.handleOf(id)
    return handle < 0 ? [] : work(engine, handle)
  })
  /**
   * A change that is stored at once.
   * @template T
   * @param {T} otherwise
   * @param {(engine: any) => T} work
   */
  const change = (otherwise, work) => space.open(() => otherwise, () => {
    const result = space.session.call(work)
    space.session.flush()
    return result
  })
  return {
    consent: {
      state: () => consentState(space),
      grant: (/** @type {{policyVersion?: string, purposes?: string[]}} */ given = {}) => decide(space, (engine) => {
        const version = given.policyVersion || space.setup.policyVersion || ''
        engine.consentGrant(version, given.purposes || ['personalisation'], now())
      }),
      withdraw: (/** @type {{erase?: boolean}} */ given = {}) => decide(space, (engine) => {
        engine.consentWithdraw(given.erase !== false, now())
        space.session.logClosed()
      }),
      onChange(/** @type {(state: any) => void} */ listener) {
        space.consentListeners.add(listener)
        return () => { space.consentListeners.delete(listener) }
      },
    },
    /** @param {boolean} [on] */
    personalisation(on) {
      if (on === undefined) return read(() => false, (engine) => engine.personalisation())
      return change(false, (engine) => {
        engine.setPersonalisation(Boolean(on))
        // Interests are there once the record has been read; whoever shows them is told.
        if (on) space.session.openLogIfAllowed().then(() => tellConsent(space))
        else space.session.logClosed()
        return Boolean(on)
      })
    },
    interests: () => read(() => [], (engine) => engine.interests(now())),
    explain: (/** @type {string} */ id) => ofItem(id, (engine, handle) => engine.explain(handle, now()).map(why)),
    predict: (/** @type {string} */ id) => ofItem(id, (engine, handle) => engine.predict(handle, now())),
    block: (/** @type {string} */ field, /** @type {string} */ value) => change(undefined, (engine) => engine.block(field, value)),
    unblock: (/** @type {string} */ field, /** @type {string} */ value) => change(undefined, (engine) => engine.unblock(field, value)),
    blocks: () => read(() => [], (engine) => engine.blocks()),
    forget: (/** @type {any} */ what) => change(0, (engine) => engine.forget(what)),
    exportData: () => read(() => '', (engine) => engine.exportData()),
    erase: () => decide(space, (engine) => {
      engine.erase()
      space.session.logClosed()
    }),
  }
}

module.exports = { callsOf, tellConsent }

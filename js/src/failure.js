// @ts-check
'use strict'
// Every failure that leaves the package is {code, name, message}: a stable code, and a sentence that says what to do,
// without an id, a path or anything the user did, because pages forward errors to their monitoring.

/** @typedef {{code: string, name: string, message: string}} Failure */

/** @type {Record<string, string>} */
const SENTENCES = {
  BAD_ARGUMENT: 'An argument has the wrong type: see zhiji.d.ts.',
  BAD_SCHEMA: 'The schema is not an object with space, fields and actions: see docs/schema.md.',
  CLOCK_JUMPED: 'The clock of this phone is more than a week ahead of the record: nothing ages until another start confirms it.',
  CONTROL_LOST: 'The journal of consent was lost: nothing is recorded or read until the user agrees again.',
  INTERNAL: 'The engine stopped and is being rebuilt from what was stored.',
  KEY_LOST: 'The key of the stored record is gone, and the record with it: recording starts anew.',
  LOG_DAMAGED: 'Parts of the stored record were damaged; every whole part is kept, and the files are written anew.',
  LOG_TORN: 'A write had been cut short; everything that was acknowledged is kept.',
  NETWORK: 'An update could not be fetched; the model in use stays, and it is tried again later.',
  NO_RANDOM: 'This client gives no random numbers: there is no exploration, and nothing is encrypted at rest.',
  NO_WASM: 'No build of the engine starts on this client; offer the fallback package to open().',
  NOT_READY: 'The engine is still starting: the page\'s own order is used.',
  OPTIONS_DIFFER: 'This space is already open with other options: open it once, in one module, and require that module.',
  SCHEMA_MISMATCH: 'Made under another schema: stored events of it are removed, and a model of it is not used.',
  STORAGE_FAILED: 'A write to the user data folder failed; it is tried again, and nothing acknowledged is lost.',
  STORAGE_FULL: 'The storage of this mini-program is full; events stay in memory until there is room.',
  UNKNOWN_ITEM: 'This item was never given: pass it to items.upsert or feed.push first.',
  WRITER_CONFLICT: 'Another instance of this mini-program writes the same log; this one goes on in memory only.',
}

class ZhijiError extends Error {
  /**
   * @param {string} code
   * @param {string} [message]
   */
  constructor(code, message) {
    super(message || SENTENCES[code] || code)
    this.code = code
    this.name = 'ZhijiError'
  }
}

/**
 * The plain form of anything that was thrown. What does not carry one of our codes came out of a trap in the engine.
 * @param {any} thrown
 * @returns {Failure}
 */
function toFailure(thrown) {
  if (thrown && typeof thrown.code === 'string' && typeof thrown.message === 'string') {
    return { code: thrown.code, name: 'ZhijiError', message: thrown.message }
  }
  return { code: 'INTERNAL', name: 'ZhijiError', message: SENTENCES.INTERNAL }
}

/**
 * @param {string} code
 * @returns {Failure}
 */
function failure(code) {
  return { code, name: 'ZhijiError', message: SENTENCES[code] || code }
}

/** @typedef {ZhijiError} Instance */

module.exports = { ZhijiError, toFailure, failure }

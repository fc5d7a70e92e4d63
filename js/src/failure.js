// @ts-check
'use strict'
// Every failure that leaves the package is {code, name, message}: a stable code, and a sentence that says what to do,
// without an id, a path or anything the user did, because pages forward errors to their monitoring.

/** @typedef {{code: string, name: string, message: string}} Failure */

/** States of the engine, and no mistakes: a call made in one is answered in silence, so that nothing need be read for it. */
const STATES = ['NOT_READY', 'NO_WASM']
const words = () => require('./words.js')

class ZhijiError extends Error {
  /**
   * @param {string} code
   * @param {string} [message]
   */
  constructor(code, message = code) {
    super(STATES.includes(message) ? message : words().inWords(message))
    this.code = code
    this.name = 'ZhijiError'
  }
}

/**
 * The code of anything that was thrown. What does not carry one of ours came out of a trap in the engine.
 * @param {any} thrown
 * @returns {string}
 */
function codeOf(thrown) {
  return thrown && typeof thrown.code === 'string' && typeof thrown.message === 'string' ? thrown.code : 'INTERNAL'
}

/**
 * The plain form of anything that was thrown.
 * @param {any} thrown
 * @returns {Failure}
 */
function toFailure(thrown) {
  const code = codeOf(thrown)
  return failure(code, thrown && thrown.code === code ? thrown.message : code)
}

/**
 * @param {string} code
 * @param {string} [message]
 * @returns {Failure}
 */
function failure(code, message = code) {
  return { code, name: 'ZhijiError', message: words().inWords(message) }
}

/** @typedef {ZhijiError} Instance */

module.exports = { ZhijiError, STATES, codeOf, toFailure, failure }

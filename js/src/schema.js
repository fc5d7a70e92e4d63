// @ts-check
'use strict'
const { ZhijiError } = require('./failure')

/**
 * Gives the schema back. The types make its names literal, so that a misspelt action does not compile; the check of the
 * contents is the engine's.
 * @template S
 * @param {S} schema
 * @returns {S}
 */
function defineSchema(schema) {
  return schema
}

/**
 * What the package itself reads of a schema.
 * @param {any} schema
 */
function outline(schema) {
  const isObject = (/** @type {any} */ value) => Boolean(value) && typeof value === 'object' && !Array.isArray(value)
  if (!isObject(schema) || typeof schema.space !== 'string' || !/^[a-z0-9_-]{1,32}$/.test(schema.space)
    || !isObject(schema.fields) || !isObject(schema.actions)) throw new ZhijiError('BAD_SCHEMA')
  const names = Object.keys(schema.fields)
  const actions = Object.keys(schema.actions)
  const policy = isObject(schema.policy) ? schema.policy : {}
  return {
    space: /** @type {string} */ (schema.space),
    /** What an item record holds: everything that is not read from the candidate at hand. */
    stored: names.filter((name) => !schema.fields[name].volatile),
    volatiles: names.filter((name) => schema.fields[name].volatile && schema.fields[name].kind === 'number'),
    impression: actions.find((name) => schema.actions[name].role === 'impression') || '',
    dislike: 'hide' in schema.actions ? 'hide' : actions.find((name) => schema.actions[name].weight < 0) || '',
    hasAction: (/** @type {string} */ name) => actions.indexOf(name) >= 0,
    /** Hard filters, for the page's own order while there is no engine. */
    filters: /** @type {{field: string, atLeast: number}[]} */ (Array.isArray(policy.filters) ? policy.filters : []),
  }
}

/** @typedef {ReturnType<typeof outline>} Outline */

/**
 * Whether the page may still offer the candidate: what is sold out never comes back through a degraded list.
 * @param {Outline} schema
 * @param {any} item
 */
function isOffered(schema, item) {
  return schema.filters.every((filter) => typeof item[filter.field] !== 'number' || item[filter.field] >= filter.atLeast)
}

module.exports = { defineSchema, outline, isOffered }

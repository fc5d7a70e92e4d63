// @ts-check
// The shop's one recommender; every page requires this module. It is not called zhiji.js: some clients look beside the caller before they
// look among the npm packages, and would find this file for require('zhiji').
const { open } = require('zhiji')
const config = require('./config')
const root = require('./root')

module.exports = open({
  schema: require('./schema'),
  policyVersion: config.policyVersion,
  // Without a root no signature could be checked, so nothing is fetched.
  manifest: root ? config.cdn + '/manifest.json' : undefined,
  root: root || undefined,
  // The same engine as plain JavaScript, for phones on which no wasm starts.
  fallback: () => require.async('zhiji-fallback'),
})

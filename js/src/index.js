// @ts-check
'use strict'
// The package's entry on the phone.

const { createPackage } = require('./package')
const { createPlatform } = require('./platform')
const { defineSchema } = require('./schema')
// @ts-ignore -- wasm-bindgen's glue, put here by js/build.mjs
const createGlue = require('zhiji-glue')

/** @type {ReturnType<typeof createPackage> | undefined} */
let made
const once = () => {
  if (!made) {
    // @ts-ignore -- absent in plugins and old clients
    const host = typeof wx === 'undefined' ? undefined : wx
    // @ts-ignore -- absent on old clients
    const wasm = typeof WXWebAssembly === 'undefined' ? undefined : WXWebAssembly
    made = createPackage(createPlatform(host, wasm), createGlue)
  }
  return made
}

const open = (/** @type {any} */ options) => once().open(options)
const current = (/** @type {string} */ name) => once().current(name)
// @ts-ignore -- a constant of the build
const version = ZHIJI_VERSION

module.exports = { open, current, defineSchema, version }

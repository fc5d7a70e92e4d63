// @ts-check
// The keys that may sign models for this shop, as text; part of the reviewed code package. `null` means that no model is fetched and the built-in
// starter ranker learns alone. `cargo xtask demo` copies the mini-program under target/ and writes the demo's root there, never here.
/** @type {string | null} */
const root = null

module.exports = root

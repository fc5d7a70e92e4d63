// @ts-check
'use strict'
// The words of failures: a file of its own in the package, read when the first failure is told (docs/adr/0013).

// @ts-ignore -- what the engine says, by number, put here by js/build.mjs
const ENGINE = require('zhiji-words')
/** The engine writes a number as the character at this place of Unicode and so many further on. */
const FIRST = 0xf0000

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

/**
 * What the engine has written: numbers of words, and behind each what stands where its words have `{}`, closed by a zero.
 * @param {string[]} letters the last first; what is read is taken out
 * @returns {string}
 */
function read(letters) {
  let text = ''
  for (;;) {
    const letter = letters.pop()
    if (letter === undefined || letter === '\0') return text
    /** @type {string | undefined} */
    const words = ENGINE[/** @type {number} */ (letter.codePointAt(0)) - FIRST]
    text += words === undefined ? letter : words.replace(/\{\}/g, () => read(letters))
  }
}

/** @param {string} message a code, what the engine has written, or words already */
const inWords = (message) => SENTENCES[message] || read(Array.from(message).reverse())

module.exports = { inWords }

// @ts-check
// What the engine's golden vectors (tests/golden/bits.txt) come to: how many words, and their FNV-1a. A test holds the two together.
module.exports = { words: 1870, fingerprint: '396d9c03' }

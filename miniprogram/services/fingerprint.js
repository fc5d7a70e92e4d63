// @ts-check
/**
 * FNV-1a over the bytes of the words, lowest byte first.
 *
 * Source: RFC 9923, section 2, 32 bits.
 * @param {ArrayLike<number>} words
 */
module.exports = function fingerprint(words) {
  let hash = 0x811c9dc5
  for (let k = 0; k < words.length; k++) {
    for (let shift = 0; shift < 32; shift += 8) hash = Math.imul(hash ^ ((words[k] >>> shift) & 255), 0x01000193)
  }
  return (hash >>> 0).toString(16).padStart(8, '0')
}

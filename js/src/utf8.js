// @ts-check
'use strict'
// UTF-8 for phones, where neither of the browser's text codecs exists. The build puts these two classes in their place
// in wasm-bindgen's glue. They follow the Encoding Standard: a lone surrogate is written as U+FFFD, and every maximal
// part of an ill-formed sequence is read as one U+FFFD.

const REPLACEMENT = 0xfffd

/**
 * The code point that starts at `at`; a lone surrogate gives U+FFFD.
 * @param {string} text
 * @param {number} at
 */
function codePoint(text, at) {
  const unit = text.charCodeAt(at)
  if (unit < 0xd800 || unit > 0xdfff) return unit
  if (unit > 0xdbff || at + 1 === text.length) return REPLACEMENT
  const next = text.charCodeAt(at + 1)
  return next >= 0xdc00 && next <= 0xdfff ? 0x10000 + ((unit - 0xd800) << 10) + (next - 0xdc00) : REPLACEMENT
}

/** @param {string} text */
function encodedLength(text) {
  let length = 0
  for (let at = 0; at < text.length; at++) {
    const point = codePoint(text, at)
    if (point > 0xffff) at++
    length += point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4
  }
  return length
}

/**
 * Writes as many whole characters as fit.
 * @param {string} text
 * @param {Uint8Array} into
 * @returns {{read: number, written: number}} read in UTF-16 units, written in bytes
 */
function encodeInto(text, into) {
  let written = 0
  let at = 0
  for (; at < text.length; at++) {
    const point = codePoint(text, at)
    const size = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4
    if (written + size > into.length) break
    if (size === 1) into[written] = point
    else {
      into[written] = (size === 2 ? 0xc0 : size === 3 ? 0xe0 : 0xf0) | (point >> (6 * (size - 1)))
      for (let rest = size - 2, place = written + 1; rest >= 0; rest--, place++) into[place] = 0x80 | ((point >> (6 * rest)) & 0x3f)
    }
    written += size
    if (size === 4) at++
  }
  return { read: at, written }
}

/**
 * @param {string} text
 * @returns {Uint8Array}
 */
function encode(text) {
  const bytes = new Uint8Array(encodedLength(text))
  encodeInto(text, bytes)
  return bytes
}

/**
 * @param {Uint8Array} bytes
 * @returns {string}
 */
function decode(bytes) {
  const parts = []
  let units = []
  let at = 0
  while (at < bytes.length) {
    const first = bytes[at++]
    let point = first
    if (first >= 0x80) {
      // The second byte's range is narrower for some first bytes: this keeps out overlong forms, surrogates and values past U+10FFFF.
      let need = 0
      let low = 0x80
      let high = 0xbf
      if (first >= 0xc2 && first <= 0xdf) need = 1
      else if (first >= 0xe0 && first <= 0xef) {
        need = 2
        if (first === 0xe0) low = 0xa0
        if (first === 0xed) high = 0x9f
      } else if (first >= 0xf0 && first <= 0xf4) {
        need = 3
        if (first === 0xf0) low = 0x90
        if (first === 0xf4) high = 0x8f
      }
      if (need === 0) point = REPLACEMENT
      else {
        point = first & (0x3f >> need)
        while (need > 0) {
          const next = at < bytes.length ? bytes[at] : -1
          if (next < low || next > high) break
          point = (point << 6) | (next & 0x3f)
          low = 0x80
          high = 0xbf
          at++
          need--
        }
        if (need > 0) point = REPLACEMENT
      }
    }
    if (point > 0xffff) units.push(0xd800 + ((point - 0x10000) >> 10), 0xdc00 + ((point - 0x10000) & 0x3ff))
    else units.push(point)
    // An argument list has a limit on old engines.
    if (units.length > 4000) {
      parts.push(String.fromCharCode.apply(null, units))
      units = []
    }
  }
  if (units.length) parts.push(String.fromCharCode.apply(null, units))
  return parts.join('')
}

class Utf8Encoder {
  /** @param {string} [text] */
  encode(text = '') {
    return encode(String(text))
  }

  /**
   * @param {string} text
   * @param {Uint8Array} into
   */
  encodeInto(text, into) {
    return encodeInto(text, into)
  }
}

class Utf8Decoder {
  /** @param {Uint8Array} [bytes] */
  decode(bytes) {
    return bytes ? decode(bytes) : ''
  }
}

module.exports = { encode, encodeInto, decode, Utf8Encoder, Utf8Decoder }

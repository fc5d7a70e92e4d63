import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { test } from 'node:test'

const utf8 = createRequire(import.meta.url)('../../js/src/utf8.js')
const standard = new TextDecoder('utf-8', { ignoreBOM: true })

test('every character is written as the standard writes it', () => {
  for (let point = 0; point <= 0x10ffff; point += point < 0x3000 ? 1 : 97) {
    if (point >= 0xd800 && point <= 0xdfff) continue
    const text = `a${String.fromCodePoint(point)}b`
    const bytes = utf8.encode(text)
    assert.deepEqual(bytes, new Uint8Array(new TextEncoder().encode(text)))
    assert.equal(utf8.decode(bytes), text)
  }
})

test('lone surrogates become the replacement character', () => {
  for (const text of ['\ud800', '\udc00', 'a\ud83d', '\ud83db', '\udc00\ud800', '\ud83d\ud83d\ude00']) {
    assert.deepEqual(Array.from(utf8.encode(text)), Array.from(new TextEncoder().encode(text)), JSON.stringify(text))
  }
})

test('ill-formed bytes are read as the standard reads them', () => {
  const parts = [0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xed, 0xef, 0xf0, 0xf1, 0xf4, 0xf5, 0xff]
  for (const a of parts) for (const b of parts) for (const c of parts) {
    for (const tail of [[], [0x80], [0x41]]) {
      const bytes = Uint8Array.from([a, b, c, ...tail])
      assert.equal(utf8.decode(bytes), standard.decode(bytes), String(Array.from(bytes)))
    }
  }
})

test('long texts keep every character', () => {
  const text = '知己🤝'.repeat(5000)
  assert.equal(utf8.decode(utf8.encode(text)), text)
})

test('writing into a short buffer stops before the character that does not fit', () => {
  const into = new Uint8Array(5)
  assert.deepEqual(utf8.encodeInto('a知🤝', into), { read: 2, written: 4 })
  assert.equal(into[4], 0)
  assert.deepEqual(utf8.encodeInto('🤝', into), { read: 2, written: 4 })
})

// What every part of the logic realm shares: the view window, the query options, and the records that tests read.
// Natives are taken here, before the realm is stripped of them.
/* global VIEW */

/** The window that shows the pages. Its natives stay usable for the host after the logic realm has lost its own. */
export const view = VIEW

/** The phone around the pages: bars, toasts, dialogs. Set by view/screen.js. */
export const phone = VIEW.__mpPhone

const query = new URLSearchParams(view.location.search)

/** How this run is to differ from a healthy phone, from the query of the view's address. */
export const options = {
  start: query.get('start') || '',
  scene: Number(query.get('scene') || 1001),
  envVersion: query.get('env') || 'release',
  wasm: query.get('wasm') || '',
  simd: query.get('simd') || '',
  random: query.get('random') || '',
  language: query.get('language') || 'zh_CN',
  without: (query.get('without') || '').split(',').filter(Boolean),
  clockOffsetMs: Number(query.get('clock') || 0),
  nowMs: query.has('now') ? Number(query.get('now')) : undefined,
}

/** Network conditions, which a test may change while pages run. */
export const network = { online: query.get('net') !== 'off', delayMs: Number(query.get('delay') || 0) }

/** What happened, in order. Read through `__mpHost`. */
export const records = { errors: [], warnings: [], requests: [], calls: [], images: [], wasm: [] }

/** The compiled mini-program, once app-data.js has run. */
export const program = { data: undefined, templates: undefined, builtins: undefined }

/** Called with the text of every error, for the App's onError. */
export const errorListeners = []

/** Shows an error of page or framework to the person and the test. */
export function report(kind, error) {
  const message = String((error && (error.message || error.errMsg)) || error)
  records.errors.push({ kind, message, stack: error && error.stack })
  console.error(`[${kind}] ${(error && error.stack) || message}`)
  phone.showError(`${kind}: ${message}`)
  for (const listener of errorListeners) listener(message)
}

/** Keeps what the framework finds odd but the phone only logs. */
export function warn(message) {
  records.warnings.push(String(message))
  console.warn(message)
}

/** A copy of plain data from the view window: pages must not hold that window's objects, whose constructors are its own. */
export function ownCopy(value) {
  return value === undefined ? undefined : JSON.parse(JSON.stringify(value))
}

/** Runs page code; what it throws is reported, and the page goes on. */
export function guarded(kind, run) {
  try {
    return run()
  } catch (error) {
    report(kind, error)
    return undefined
  }
}

/** `a/./b/../c` → `a/c`, without a leading slash. */
export function normalize(file) {
  const parts = []
  for (const part of String(file).split('/')) {
    if (part === '..') parts.pop()
    else if (part && part !== '.') parts.push(part)
  }
  return parts.join('/')
}

/** A copy of foreign bytes whose buffer belongs to the logic realm, so that `instanceof ArrayBuffer` holds for pages. */
export function ownBytes(bytes) {
  const copy = new Uint8Array(bytes.byteLength)
  copy.set(new Uint8Array(bytes.buffer || bytes, bytes.byteOffset || 0, bytes.byteLength))
  return copy
}

/** Base64 of bytes. */
export function toBase64(bytes) {
  let binary = ''
  for (let at = 0; at < bytes.length; at += 8192) binary += String.fromCharCode(...bytes.subarray(at, at + 8192))
  return view.btoa(binary)
}

/** The bytes of a base64 text. */
export function fromBase64(text) {
  const binary = view.atob(text)
  const bytes = new Uint8Array(binary.length)
  for (let at = 0; at < binary.length; at++) bytes[at] = binary.charCodeAt(at)
  return bytes
}

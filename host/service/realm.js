// Makes the logic realm as bare as the one on the phone: only the language itself, a console and timers.
import { options } from './context.js'

const LANGUAGE = new Set(`Object Function Array Number parseFloat parseInt Infinity NaN undefined Boolean String Symbol Date Promise
  RegExp Error AggregateError EvalError RangeError ReferenceError SyntaxError TypeError URIError JSON Math ArrayBuffer Uint8Array
  Int8Array Uint16Array Int16Array Uint32Array Int32Array Float32Array Float64Array Uint8ClampedArray BigUint64Array BigInt64Array
  DataView Map BigInt Set WeakMap WeakSet WeakRef Proxy Reflect decodeURI decodeURIComponent encodeURI encodeURIComponent escape
  unescape isFinite isNaN console setTimeout clearTimeout setInterval clearInterval`.split(/\s+/))

// The name goes away with the rest.
const realm = self

/** The clock of the pages. `offsetMs` may be changed while they run. */
export const clock = { offsetMs: options.clockOffsetMs }

/** Deletes every other global. Gives the names that could not be deleted; modules shadow those. */
export function stripRealm() {
  const { setTimeout, setInterval } = realm
  const left = []
  const drop = (owner, name) => {
    try {
      if (!Reflect.deleteProperty(owner, name)) left.push(String(name))
    } catch {
      left.push(String(name))
    }
  }
  for (const name of Object.getOwnPropertyNames(realm)) if (!LANGUAGE.has(name)) drop(realm, name)
  for (let owner = Object.getPrototypeOf(realm); owner && owner !== Object.prototype; owner = Object.getPrototypeOf(owner)) {
    for (const name of Reflect.ownKeys(owner)) if (name !== 'constructor') drop(owner, name)
  }
  // A timer would hand its callback the window as `this`, and would compile a string.
  const timer = (start) => (callback, delayMs, ...rest) => {
    if (typeof callback !== 'function') throw new TypeError('the callback of a timer must be a function')
    return start(() => { callback(...rest) }, delayMs)
  }
  realm.setTimeout = timer(setTimeout)
  realm.setInterval = timer(setInterval)
  installClock()
  return left
}

function installClock() {
  const RealDate = Date
  if (options.nowMs !== undefined) clock.offsetMs += options.nowMs - RealDate.now()
  const now = () => RealDate.now() + clock.offsetMs
  function HostDate(...parts) {
    if (!new.target) return new RealDate(now()).toString()
    const target = new.target === HostDate ? RealDate : new.target
    return Reflect.construct(RealDate, parts.length ? parts : [now()], target)
  }
  Object.defineProperty(HostDate, 'name', { value: 'Date' })
  HostDate.prototype = RealDate.prototype
  HostDate.prototype.constructor = HostDate
  HostDate.now = now
  HostDate.parse = RealDate.parse
  HostDate.UTC = RealDate.UTC
  realm.Date = HostDate
}

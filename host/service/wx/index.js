// The wx object: what is listed exists, everything else throws, and every call is recorded.
import { options, records, toBase64 } from '../context.js'
import { deviceInfo } from './device.js'
import { userInterface } from './interface.js'
import { navigation } from './navigation.js'
import { request } from './network.js'
import { storage } from './storage.js'

const provided = { ...storage, ...deviceInfo, ...userInterface, ...navigation, request }

provided.canIUse = (schema) => {
  const [name, member] = String(schema).split('.')
  if (name === 'FileSystemManager') return member in manager
  return name in provided && !options.without.includes(name)
}

// These are called all the time and can take nothing out of the app.
const UNRECORDED = new Set(['nextTick', 'canIUse', 'createSelectorQuery', 'createIntersectionObserver', 'getWindowInfo', 'getPerformance'])
const MOST_RECORDS = 50000

function recordable(args) {
  const text = JSON.stringify(args, (_, value) => {
    if (value instanceof ArrayBuffer) return `base64:${toBase64(new Uint8Array(value))}`
    return typeof value === 'function' || (value && value._$) ? undefined : value
  })
  return text === undefined ? [] : JSON.parse(text)
}

function recorded(name, call) {
  return (...args) => {
    if (records.calls.length < MOST_RECORDS) records.calls.push({ name, args: recordable(args), atMs: Date.now() })
    return call(...args)
  }
}

const manager = provided.getFileSystemManager()
const recordedManager = closed('FileSystemManager', Object.fromEntries(
  Object.entries(manager).map(([name, call]) => [name, recorded(`FileSystemManager.${name}`, call)]),
))
provided.getFileSystemManager = () => recordedManager

for (const [name, value] of Object.entries(provided)) {
  if (typeof value === 'function' && !UNRECORDED.has(name)) provided[name] = recorded(name, value)
}

export const wx = closed('wx', provided)

/** An object that throws by name where it has no member, and that pages cannot change. */
function closed(shownAs, members) {
  return new Proxy(members, {
    get(target, name) {
      // `then` is asked of whatever a promise resolves to. ?without=… plays an old base library, which lacks a function.
      if (typeof name === 'symbol' || name === 'then' || options.without.includes(name)) return undefined
      if (name in target) return target[name]
      throw new Error(`${shownAs}.${name} is not provided by this host`)
    },
    has: (target, name) => name in target && !options.without.includes(name),
    set: () => false,
    defineProperty: () => false,
    deleteProperty: () => false,
  })
}

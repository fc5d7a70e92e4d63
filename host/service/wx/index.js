// The wx object: what is listed exists, everything else throws, and every call is recorded.
import { options, records, toBase64 } from '../context.js'
import { deviceInfo } from './device.js'
import { userInterface } from './interface.js'
import { navigation } from './navigation.js'
import { request } from './network.js'
import { storage } from './storage.js'

const provided = { ...storage, ...deviceInfo, ...userInterface, ...navigation, request }

provided.canIUse = (schema) => {
  const [name] = String(schema).split('.')
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
const recordedManager = Object.freeze(Object.fromEntries(
  Object.entries(manager).map(([name, call]) => [name, recorded(`FileSystemManager.${name}`, call)]),
))
provided.getFileSystemManager = () => recordedManager

for (const [name, value] of Object.entries(provided)) {
  if (typeof value === 'function' && !UNRECORDED.has(name)) provided[name] = recorded(name, value)
}

export const wx = new Proxy(provided, {
  get(target, name) {
    if (typeof name === 'symbol') return undefined
    // ?without=… plays an old base library, where a function is not there at all.
    if (options.without.includes(name)) return undefined
    if (name in target) return target[name]
    throw new Error(`wx.${name} is not provided by this host`)
  },
  has: (target, name) => name in target && !options.without.includes(name),
  set: () => false,
  defineProperty: () => false,
  deleteProperty: () => false,
})

// Key-value storage, kept in the view window's localStorage, so that it outlives a reload as it outlives a killed app.
import { program, view } from '../context.js'
import { ApiError, asynchronous, synchronous } from './api.js'
import { disturb } from './faults.js'

const ENTRY_LIMIT = 1024 * 1024
const TOTAL_LIMIT = 10 * 1024 * 1024

const disk = view.localStorage
const prefix = () => `mp:${program.data.appid}:storage:`
const keys = () => Object.keys(disk).filter((key) => key.startsWith(prefix())).map((key) => key.slice(prefix().length))
const used = () => keys().reduce((sum, key) => sum + disk.getItem(prefix() + key).length, 0)

function checkKey(key) {
  if (typeof key !== 'string' || key === '') throw new ApiError('parameter error: key should be a non-empty String')
}

function read(key, encrypt = false) {
  checkKey(key)
  const stored = disk.getItem(prefix() + key)
  if (stored === null) return undefined
  const { value, encrypted } = JSON.parse(stored)
  if (Boolean(encrypted) !== Boolean(encrypt)) throw new ApiError('the entry was stored with another `encrypt` option')
  return { value }
}

function write(key, value, encrypt = false) {
  checkKey(key)
  const stored = JSON.stringify({ value: value === undefined ? '' : value, encrypted: encrypt ? true : undefined })
  if (stored.length > ENTRY_LIMIT) throw new ApiError('entry size limit reached')
  if (used() + stored.length > TOTAL_LIMIT) throw new ApiError('the maximum size of the storage is reached')
  disturb('setStorage', key, stored, () => disk.setItem(prefix() + key, stored))
}

function remove(key) {
  checkKey(key)
  disturb('removeStorage', key, '', () => disk.removeItem(prefix() + key))
}

const clear = () => keys().forEach(remove)
const info = () => ({ keys: keys(), currentSize: Math.ceil(used() / 1024), limitSize: TOTAL_LIMIT / 1024 })

/** All entries, for tests. */
export const storageEntries = () => Object.fromEntries(keys().map((key) => [key, JSON.parse(disk.getItem(prefix() + key)).value]))

export const storage = {
  getStorageSync: synchronous('getStorageSync', (key) => read(key)?.value ?? ''),
  setStorageSync: synchronous('setStorageSync', (key, value) => write(key, value)),
  removeStorageSync: synchronous('removeStorageSync', remove),
  clearStorageSync: synchronous('clearStorageSync', clear),
  getStorageInfoSync: synchronous('getStorageInfoSync', info),
  getStorage: asynchronous('getStorage', ({ key, encrypt }) => {
    const found = read(key, encrypt)
    if (!found) throw new ApiError('data not found')
    return { data: found.value }
  }),
  setStorage: asynchronous('setStorage', ({ key, data, encrypt }) => write(key, data, encrypt)),
  removeStorage: asynchronous('removeStorage', ({ key }) => remove(key)),
  clearStorage: asynchronous('clearStorage', clear),
  getStorageInfo: asynchronous('getStorageInfo', info),
}

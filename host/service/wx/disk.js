// The user's files: a tree kept in the view window's localStorage, one entry a file or folder, and the code package, read-only.
import { fromBase64, normalize, ownBytes, program, toBase64, view } from '../context.js'
import { ApiError } from './api.js'

export const USER_DATA_PATH = 'wxfile://usr'

const store = view.localStorage
const FOLDER = 'folder'
const prefix = () => `mp:${program.data.appid}:file:`
const entry = (path) => store.getItem(prefix() + path)

/** Splits a path into its file system and the name inside it. */
export function locate(path) {
  if (typeof path !== 'string' || path === '') throw new ApiError('parameter error: filePath should be a non-empty String')
  if (path === USER_DATA_PATH || path.startsWith(`${USER_DATA_PATH}/`)) {
    return { user: true, name: normalize(path.slice(USER_DATA_PATH.length)), shown: path }
  }
  if (/^[a-z]+:\/\//.test(path)) throw new ApiError(`permission denied, open '${path}'`, 1300013)
  return { user: false, name: normalize(path), shown: path }
}

export const missing = (shown, doing = 'open') => new ApiError(`no such file or directory, ${doing} '${shown}'`, 1300002)

/** 'file', 'folder' or undefined. */
export function kindOf({ user, name }) {
  if (!user) {
    if (program.data.files.includes(name)) return 'file'
    return name === '' || program.data.files.some((file) => file.startsWith(`${name}/`)) ? FOLDER : undefined
  }
  if (name === '') return FOLDER
  const stored = entry(name)
  if (stored === null) return undefined
  return stored === FOLDER ? FOLDER : 'file'
}

/** The bytes of a file. `inflate` gives a package file's decompressed twin. */
export function bytesOf(place, inflate = false) {
  const kind = kindOf(place)
  if (kind === undefined) throw missing(place.shown)
  if (kind === FOLDER) throw new ApiError(`illegal operation on a directory, open '${place.shown}'`, 1301004)
  if (place.user) return fromBase64(entry(place.name).split(' ')[1])
  return packageBytes((inflate ? 'inflated/' : 'pkg/') + place.name)
}

// Reading a package file may be synchronous on the phone, and only this old request can be so in a browser.
function packageBytes(url) {
  const request = new view.XMLHttpRequest()
  request.open('GET', url, false)
  request.overrideMimeType('text/plain; charset=x-user-defined')
  request.send()
  const bytes = new Uint8Array(request.responseText.length)
  for (let at = 0; at < bytes.length; at++) bytes[at] = request.responseText.charCodeAt(at) & 255
  return bytes
}

/** Time of last change in ms, and size in bytes. */
export function statOf(place) {
  const kind = kindOf(place)
  if (kind === undefined) throw missing(place.shown, 'stat')
  const [modified] = place.user && kind === 'file' ? entry(place.name).split(' ') : ['0']
  return { kind, modifiedMs: Number(modified), size: kind === 'file' ? bytesOf(place).length : 0 }
}

export function putBytes(place, bytes) {
  try {
    store.setItem(prefix() + place.name, `${Date.now()} ${toBase64(ownBytes(bytes))}`)
  } catch {
    throw new ApiError('the maximum size of the file storage limit is exceeded', 1300202)
  }
}

export const putFolder = (place) => store.setItem(prefix() + place.name, FOLDER)
export const drop = (place) => store.removeItem(prefix() + place.name)

/** Names directly inside a folder, sorted. */
export function namesIn({ user, name }) {
  const all = user
    ? Object.keys(store).filter((key) => key.startsWith(prefix())).map((key) => key.slice(prefix().length))
    : program.data.files
  const inside = name === '' ? '' : `${name}/`
  const found = new Set(all.filter((one) => one.startsWith(inside)).map((one) => one.slice(inside.length).split('/')[0]))
  return [...found].sort()
}

/** Every user file or folder at or below a place. */
export function below({ name }) {
  const all = Object.keys(store).filter((key) => key.startsWith(prefix())).map((key) => key.slice(prefix().length))
  return all.filter((one) => one === name || name === '' || one.startsWith(`${name}/`)).sort()
}

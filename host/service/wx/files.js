// FileSystemManager, with the conditions and messages that WeChat documents.
import { ownBytes, toBase64, view } from '../context.js'
import { ApiError, asynchronous, NEVER, synchronous } from './api.js'
import { below, bytesOf, drop, kindOf, locate, missing, namesIn, putBytes, putFolder, statOf } from './disk.js'
import { disturb, faults } from './faults.js'

const encoder = new view.TextEncoder()
const decoder = new view.TextDecoder()

function writable(path) {
  const place = locate(path)
  if (!place.user) throw new ApiError(`permission denied, open '${path}'`, 1300013)
  return place
}

function parentOf(place) {
  return { ...place, name: place.name.split('/').slice(0, -1).join('/') }
}

function toBytes(data, encoding = 'utf8') {
  if (data instanceof ArrayBuffer) return new Uint8Array(data)
  if (typeof data !== 'string') throw new ApiError('parameter error: data should be String or ArrayBuffer')
  if (encoding === 'base64') return Uint8Array.from(view.atob(data), (char) => char.charCodeAt(0))
  if (encoding === 'hex') return Uint8Array.from(data.match(/../g) || [], (pair) => parseInt(pair, 16))
  if (/^(latin1|binary|ascii)$/.test(encoding)) return Uint8Array.from(data, (char) => char.charCodeAt(0) & 255)
  return ownBytes(encoder.encode(data))
}

function fromBytes(bytes, encoding) {
  if (!encoding) return ownBytes(bytes).buffer
  if (encoding === 'base64') return toBase64(bytes)
  if (encoding === 'hex') return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
  if (/^(latin1|binary|ascii)$/.test(encoding)) return Array.from(bytes, (byte) => String.fromCharCode(byte)).join('')
  return decoder.decode(bytes)
}

function checkTarget(place) {
  if (kindOf(place) === 'folder') throw new ApiError(`illegal operation on a directory, open '${place.shown}'`, 1301004)
  if (kindOf(parentOf(place)) !== 'folder') throw missing(place.shown)
}

const operations = {
  access: ({ path }) => {
    if (!kindOf(locate(path))) throw missing(path, 'access')
  },
  readFile: ({ filePath, encoding, position = 0, length }) => {
    const bytes = bytesOf(locate(filePath))
    const end = length === undefined ? bytes.length : position + length
    return { data: fromBytes(bytes.subarray(position, end), encoding) }
  },
  readCompressedFile: ({ filePath, compressionAlgorithm }) => {
    if (compressionAlgorithm !== 'br') throw new ApiError('invalid compressionAlgorithm: only br', 1301101)
    const place = locate(filePath)
    if (place.user) throw new ApiError('this host decompresses files of the code package only')
    return { data: ownBytes(bytesOf(place, true)).buffer }
  },
  writeFile: ({ filePath, data, encoding }) => {
    const place = writable(filePath)
    checkTarget(place)
    const bytes = toBytes(data, encoding)
    return disturb('writeFile', filePath, bytes, () => putBytes(place, bytes), (count) => putBytes(place, bytes.subarray(0, count)))
  },
  appendFile: ({ filePath, data, encoding }) => {
    const place = writable(filePath)
    if (!kindOf(place)) throw missing(filePath)
    const before = bytesOf(place)
    const bytes = toBytes(data, encoding)
    const put = (added) => {
      const joined = new Uint8Array(before.length + added.length)
      joined.set(before)
      joined.set(added, before.length)
      putBytes(place, joined)
    }
    return disturb('appendFile', filePath, bytes, () => put(bytes), (count) => put(bytes.subarray(0, count)))
  },
  unlink: ({ filePath }) => {
    const place = writable(filePath)
    const kind = kindOf(place)
    if (!kind) throw missing(filePath, 'unlink')
    if (kind === 'folder') throw new ApiError(`operation not permitted, unlink '${filePath}'`, 1300001)
    return disturb('unlink', filePath, '', () => drop(place))
  },
  mkdir: ({ dirPath, recursive = false }) => {
    const place = writable(dirPath)
    if (kindOf(place)) {
      if (recursive && kindOf(place) === 'folder') return undefined
      throw new ApiError(`file already exists ${dirPath}`, 1301005)
    }
    const parts = place.name.split('/')
    const missingFolders = parts.map((_, at) => ({ ...place, name: parts.slice(0, at + 1).join('/') })).filter((one) => !kindOf(one))
    if (missingFolders.length > 1 && !recursive) throw missing(dirPath, 'mkdir')
    return disturb('mkdir', dirPath, '', () => missingFolders.forEach(putFolder))
  },
  readdir: ({ dirPath }) => {
    const place = locate(dirPath)
    if (kindOf(place) === 'file') throw new ApiError(`not a directory ${dirPath}`, 1300020)
    if (!kindOf(place)) throw missing(dirPath, 'scandir')
    return { files: namesIn(place) }
  },
  rmdir: ({ dirPath, recursive = false }) => {
    const place = writable(dirPath)
    if (kindOf(place) !== 'folder') throw missing(dirPath, 'rmdir')
    if (!recursive && namesIn(place).length) throw new ApiError(`directory not empty, rmdir '${dirPath}'`, 1300066)
    return disturb('rmdir', dirPath, '', () => below(place).forEach((name) => drop({ ...place, name })))
  },
  rename: ({ oldPath, newPath }) => {
    const from = writable(oldPath)
    const to = writable(newPath)
    if (!kindOf(from) || kindOf(parentOf(to)) !== 'folder') throw missing(`${oldPath}' -> '${newPath}`, 'rename')
    if (kindOf(from) === 'folder') throw new ApiError('this host renames files only')
    return disturb('rename', oldPath, '', () => {
      putBytes(to, bytesOf(from))
      drop(from)
    })
  },
  stat: ({ path, recursive = false }) => {
    if (recursive) throw new ApiError('this host has no recursive stat')
    const { kind, modifiedMs, size } = statOf(locate(path))
    const stats = { mode: kind === 'file' ? 33206 : 16822, size, lastAccessedTime: modifiedMs / 1000, lastModifiedTime: modifiedMs / 1000 }
    return { stats: Object.assign(Object.create({ isFile: () => kind === 'file', isDirectory: () => kind === 'folder' }), stats) }
  },
}

// The order of the arguments of the synchronous forms, and what they return of the answer.
const SYNCHRONOUS = {
  access: [['path']],
  readFile: [['filePath', 'encoding', 'position', 'length'], 'data'],
  writeFile: [['filePath', 'data', 'encoding']],
  appendFile: [['filePath', 'data', 'encoding']],
  unlink: [['filePath']],
  mkdir: [['dirPath', 'recursive']],
  readdir: [['dirPath'], 'files'],
  rmdir: [['dirPath', 'recursive']],
  rename: [['oldPath', 'newPath']],
  stat: [['path', 'recursive'], 'stats'],
}

const manager = {}
for (const [name, operate] of Object.entries(operations)) {
  manager[name] = asynchronous(name, (given) => (faults.dead ? NEVER : operate(given)))
}
for (const [name, [order, answer]] of Object.entries(SYNCHRONOUS)) {
  manager[`${name}Sync`] = synchronous(`${name}Sync`, (...args) => {
    const given = Object.fromEntries(order.map((key, at) => [key, args[at]]).filter(([, value]) => value !== undefined))
    const result = operations[name](given)
    if (result === NEVER) return NEVER
    return answer ? result[answer] : undefined
  })
}

export const fileSystemManager = Object.freeze(manager)

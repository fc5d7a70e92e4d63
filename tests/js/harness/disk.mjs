// The files of a mini-program, which outlive its processes, and a file manager that can be made to fail.

export const USER_DATA_PATH = 'wxfile://usr'
const CALL_MS = 1

export class Disk {
  constructor() {
    /** @type {Map<string, Uint8Array>} */
    this.files = new Map()
    this.folders = new Set()
    /** How many operations have changed something. */
    this.changes = 0
    /** What happens at the given change: 'fail', 'kill' (before it), 'tear' (half of it, then the end). @type {Map<number, string>} */
    this.faults = new Map()
    /** Every change fails as on a full phone. */
    this.full = false
  }

  copy() {
    const copied = new Disk()
    copied.files = new Map(this.files)
    copied.folders = new Set(this.folders)
    return copied
  }

  names(part = '') {
    return Array.from(this.files.keys()).filter((name) => name.includes(part)).sort()
  }

  remove(part) {
    for (const name of this.names(part)) this.files.delete(name)
  }
}

/**
 * @param {Disk} disk
 * @param {{clock: import('./clock.mjs').Clock, alive: () => boolean, die: () => void, record: (name: string, args: any) => void}} process
 */
export function fileManager(disk, process) {
  const failed = (name, why) => ({ errMsg: `${name}:fail ${why}` })
  const answer = (name, args, compute) => {
    const path = String(args.filePath || args.dirPath)
    // The package's own files are local; any other place could be read by someone else.
    if (!path.startsWith(`${USER_DATA_PATH}/zhiji`)) process.record(`FileSystemManager.${name}`, args)
    process.clock.setTimer(() => {
      if (!process.alive()) return
      let result
      try {
        result = compute(path)
      } catch (error) {
        if (error.gone) return
        if (args.fail) args.fail(failed(name, error.message))
        return
      }
      if (args.success) args.success(Object.assign({ errMsg: `${name}:ok` }, result))
    }, CALL_MS)
  }
  const gone = () => {
    process.die()
    return Object.assign(new Error('killed'), { gone: true })
  }
  /** Changes a file whole, not at all, or by half. */
  const change = (name, args, next) => answer(name, args, (path) => {
    disk.changes++
    const fault = disk.faults.get(disk.changes)
    if (fault === 'kill') throw gone()
    if (disk.full || fault === 'fail') throw new Error('the maximum size of the file storage limit is exceeded')
    const before = disk.files.get(path)
    const after = next(path, before)
    if (fault === 'tear' && after) {
      const kept = name === 'appendFile' ? before.length : 0
      disk.files.set(path, after.slice(0, kept + Math.floor((after.length - kept) / 2)))
      throw gone()
    }
    if (after) disk.files.set(path, after)
    else disk.files.delete(path)
    if (fault === 'tear') throw gone()
  })
  const folderOf = (path) => path.slice(0, path.lastIndexOf('/'))
  const bytesOf = (data) => new Uint8Array(data.slice(0))
  return {
    readdir: (args) => answer('readdir', args, (path) => {
      const inside = [...disk.files.keys(), ...disk.folders].filter((name) => name.startsWith(`${path}/`))
      if (!inside.length && !disk.folders.has(path)) throw new Error(`no such file or directory, open ${path}`)
      // Files only: a folder inside is listed by its first part, as on the phone.
      return { files: Array.from(new Set(inside.map((name) => name.slice(path.length + 1).split('/')[0]))) }
    }),
    readFile: (args) => answer('readFile', args, (path) => {
      const bytes = disk.files.get(path)
      if (!bytes) throw new Error(`no such file or directory, open ${path}`)
      return { data: bytes.slice().buffer }
    }),
    mkdir: (args) => answer('mkdir', args, (path) => {
      if (disk.folders.has(path)) throw new Error(`file already exists ${path}`)
      for (let folder = path; folder.includes('/zhiji'); folder = folderOf(folder)) disk.folders.add(folder)
    }),
    writeFile: (args) => change('writeFile', args, (path) => {
      if (!disk.folders.has(folderOf(path))) throw new Error(`no such file or directory, open ${path}`)
      return bytesOf(args.data)
    }),
    appendFile: (args) => change('appendFile', args, (path, before) => {
      if (!before) throw new Error(`no such file or directory, open ${path}`)
      const after = new Uint8Array(before.length + args.data.byteLength)
      after.set(before)
      after.set(new Uint8Array(args.data), before.length)
      return after
    }),
    unlink: (args) => change('unlink', args, (path, before) => {
      if (!before) throw new Error(`no such file or directory, unlink ${path}`)
      return undefined
    }),
  }
}

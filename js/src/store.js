// @ts-check
'use strict'
// Carries out what the engine wants done to its files, strictly in order, one operation after the other. The engine
// names the files and knows how to recover; this room only executes, and says when it could not.

const { isFull } = require('./platform')
const { failure } = require('./failure')

const ROOT = 'zhiji'
const SHARED = /^(sync|bundle|root)(-|$)/
const RETRY_FIRST_MS = 2000
const RETRY_MOST_MS = 60000

/** @typedef {{name: string, bytes: Uint8Array}} StoredFile */
/** @typedef {{op: 'append' | 'write' | 'remove' | 'clear', name: string, bytes?: Uint8Array}} Op */

class Store {
  /**
   * @param {import('./platform').Platform} platform
   * @param {string} space
   * @param {string} account name of the account's folder
   * @param {(failure: import('./failure').Failure) => void} report
   */
  constructor(platform, space, account, report) {
    this.platform = platform
    this.files = platform.files
    this.report = report
    this.sharedFolder = `${ROOT}/${space}`
    this.accountFolder = `${ROOT}/${space}/${account}`
    this.keyName = `${ROOT}:${space}:${account}:key`
    /** Another instance writes this log: nothing of it is touched any more. */
    this.halted = false
    /** @type {Set<string>} */
    this.present = new Set()
    this.foldersMade = false
    this.failures = 0
    /** @type {any} */
    this.retryTimer = null
    this.closed = false
    /** @type {Promise<any>} */
    this.chain = Promise.resolve()
  }

  /**
   * Runs after everything that was asked before.
   * @template T
   * @param {() => Promise<T>} work
   * @returns {Promise<T>}
   */
  inOrder(work) {
    const done = this.chain.then(work)
    this.chain = done.then(() => {}, () => {})
    return done
  }

  /** @param {string} name */
  pathOf(name) {
    return `${SHARED.test(name) ? this.sharedFolder : this.accountFolder}/${name}`
  }

  /**
   * Files of a folder whose names match. One that cannot be read is taken for missing: WeChat evicts files one by one.
   * @param {string} folder
   * @param {RegExp} wanted
   * @returns {Promise<StoredFile[]>}
   */
  async readFolder(folder, wanted) {
    const files = this.files
    if (!files) return []
    const found = []
    const names = await files.list(folder).catch(() => [])
    for (const name of names.filter((name) => wanted.test(name)).sort()) {
      const bytes = await files.read(`${folder}/${name}`).catch(() => null)
      if (!bytes) continue
      if (folder === this.accountFolder) this.present.add(name)
      found.push({ name, bytes })
    }
    return found
  }

  /** The control journal of the account and the sync ledger of the space. */
  readControl() {
    return this.inOrder(async () => {
      const shared = await this.readFolder(this.sharedFolder, /^(sync-[01]|root)$/)
      return (await this.readFolder(this.accountFolder, /^control-[01]$/)).concat(shared)
    })
  }

  readBundles() {
    return this.inOrder(() => this.readFolder(this.sharedFolder, /^bundle-[01]$/))
  }

  /** @param {string} name */
  async readBundle(name) {
    const { files } = this
    return files ? this.inOrder(() => files.read(this.pathOf(name))) : null
  }

  readLog() {
    return this.inOrder(() => this.readFolder(this.accountFolder, /^(log-\d+-\d+|snapshot)$/))
  }

  /** The key of this account's log, if there is one. */
  async readKey() {
    const { secrets } = this.platform
    return this.files && secrets ? secrets.read(this.keyName) : null
  }

  /** Whether the client keeps the key. What it would lose again must not seal anything. @param {Uint8Array} key */
  async keepKey(key) {
    const { secrets } = this.platform
    if (!this.files || !secrets) return false
    return secrets.write(this.keyName, key).then(() => true, () => false)
  }

  /** Names of the log's files: that some are there is all that may be known of them before consent. */
  async hasLog() {
    const names = this.files ? await this.files.list(this.accountFolder).catch(() => []) : []
    return names.some((name) => /^log-/.test(name))
  }

  /**
   * Carries out everything that is queued in the engine. True once all of it is in the files.
   * @param {{takeOps: () => Op[], stillWriter: (files: StoredFile[]) => boolean, persistFailed: () => void}} engine
   * @returns {Promise<boolean>}
   */
  flush(engine) {
    return this.inOrder(() => this.drain(engine))
  }

  /** @param {Parameters<Store['flush']>[0]} engine */
  async drain(engine) {
    const ops = engine.takeOps()
    if (!this.files || this.halted) return false
    if (!ops.length) return true
    try {
      if (ops.some((op) => !SHARED.test(op.name)) && !(await this.isWriter(engine))) {
        this.halted = true
        this.report(failure('WRITER_CONFLICT'))
        return false
      }
      await this.makeFolders()
      for (const op of ops) await this.execute(op)
      this.failures = 0
      return true
    } catch (error) {
      engine.persistFailed()
      // A folder may have been taken away; it is made again.
      this.foldersMade = false
      this.present.clear()
      this.retryLater(engine)
      this.report(failure(isFull(error) ? 'STORAGE_FULL' : 'STORAGE_FAILED'))
      return false
    }
  }

  /** @param {Parameters<Store['flush']>[0]} engine */
  async isWriter(engine) {
    return engine.stillWriter(await this.readFolder(this.accountFolder, /^control-[01]$/))
  }

  async makeFolders() {
    if (this.foldersMade || !this.files) return
    await this.files.makeFolder(this.accountFolder)
    this.foldersMade = true
  }

  /** @param {Op} op */
  async execute(op) {
    const files = this.files
    if (!files) return
    const bytes = op.bytes || new Uint8Array(0)
    if (op.op === 'clear') {
      const names = await files.list(this.accountFolder)
      // Without the key, what a file system may still hold of the files is noise.
      if (this.platform.secrets) await this.platform.secrets.remove(this.keyName)
      for (const name of names) await files.remove(`${this.accountFolder}/${name}`)
      this.present.clear()
    } else if (op.op === 'remove') {
      await files.remove(this.pathOf(op.name))
      this.present.delete(op.name)
    } else if (op.op === 'append' && this.present.has(op.name)) {
      await files.append(this.pathOf(op.name), bytes)
    } else {
      await files.write(this.pathOf(op.name), bytes)
      if (!SHARED.test(op.name)) this.present.add(op.name)
    }
  }

  /** @param {Parameters<Store['flush']>[0]} engine */
  retryLater(engine) {
    if (this.retryTimer || this.closed) return
    const delayMs = Math.min(RETRY_FIRST_MS * Math.pow(2, this.failures), RETRY_MOST_MS)
    this.failures++
    this.retryTimer = this.platform.setTimer(() => {
      this.retryTimer = null
      if (!this.closed) this.flush(engine).catch(() => {})
    }, delayMs)
  }

  /** Gives the log to another instance or account; what is queued in an engine is not carried out any more. */
  close() {
    this.closed = true
    if (this.retryTimer) this.platform.clearTimer(this.retryTimer)
    this.retryTimer = null
  }
}

module.exports = { Store }

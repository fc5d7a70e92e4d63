// @ts-check
'use strict'
// The only file that touches `wx`. Everything else receives a platform as an argument, so that tests pass fakes, and a
// missing capability is found here and nowhere else.

/**
 * @typedef {object} Platform
 * @property {() => number} now
 * @property {(callback: () => void, delayMs: number) => any} setTimer
 * @property {(timer: any) => void} clearTimer
 * @property {boolean} develop whether mistakes of the page should be thrown
 * @property {Files | null} files none in a plugin
 * @property {(() => Promise<Uint8Array | null>)} seed
 * @property {Secrets | null} secrets none where the client has no encrypted storage
 * @property {(url: string, done: (error: boolean, bytes: Uint8Array | null) => void) => void} get
 * @property {((path: string, imports: object) => Promise<any>) | null} instantiate
 * @property {(callback: () => void) => void} onShow
 * @property {(callback: () => void) => void} onHide
 * @property {() => number} scene
 * @property {() => number} utcOffsetMinutes
 */

/**
 * @typedef {object} Files paths are relative to the user data folder
 * @property {(folder: string) => Promise<string[]>} list an absent folder is empty
 * @property {(file: string) => Promise<Uint8Array | null>} read null where there is no such file
 * @property {(file: string, bytes: Uint8Array) => Promise<void>} write
 * @property {(file: string, bytes: Uint8Array) => Promise<void>} append the file must exist
 * @property {(file: string) => Promise<void>} remove an absent file is no failure
 * @property {(folder: string) => Promise<void>} makeFolder with its parents
 */

/**
 * @typedef {object} Secrets small values in the client's encrypted storage
 * @property {(name: string) => Promise<Uint8Array | null>} read null where there is none
 * @property {(name: string, bytes: Uint8Array) => Promise<void>} write
 * @property {(name: string) => Promise<void>} remove
 */

const REQUEST_TIMEOUT_MS = 15000

/** @param {Uint8Array} bytes */
function exactBuffer(bytes) {
  // The file manager would write the whole buffer behind a view.
  return bytes.byteLength === bytes.buffer.byteLength ? bytes.buffer : bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength)
}

/** @param {any} failed */
const textOf = (failed) => String((failed && (failed.errMsg || failed.message)) || '')
const isMissing = (/** @type {any} */ failed) => /no such file|not exist|ENOENT/i.test(textOf(failed))
const isPresent = (/** @type {any} */ failed) => /already exists|EEXIST/i.test(textOf(failed))

/** Whether a failed write means that there is no room. @param {any} failed */
function isFull(failed) {
  return /maximum size|exceed|storage limit|no space|ENOSPC|quota/i.test(textOf(failed))
}

/**
 * @param {any} wx
 * @returns {Files | null}
 */
function filesOf(wx) {
  const root = wx.env && wx.env.USER_DATA_PATH
  if (!root || typeof wx.getFileSystemManager !== 'function') return null
  const manager = wx.getFileSystemManager()
  if (!manager) return null
  /**
   * @param {string} method
   * @param {object} args
   * @returns {Promise<any>}
   */
  const call = (method, args) => new Promise((resolve, reject) => {
    manager[method](Object.assign({ success: resolve, fail: reject }, args))
  })
  const path = (/** @type {string} */ file) => `${root}/${file}`
  return {
    list: (folder) => call('readdir', { dirPath: path(folder) }).then((answer) => answer.files, (failed) => {
      if (isMissing(failed)) return []
      throw failed
    }),
    read: (file) => call('readFile', { filePath: path(file) }).then((answer) => new Uint8Array(answer.data), (failed) => {
      if (isMissing(failed)) return null
      throw failed
    }),
    write: (file, bytes) => call('writeFile', { filePath: path(file), data: exactBuffer(bytes) }),
    append: (file, bytes) => call('appendFile', { filePath: path(file), data: exactBuffer(bytes) }),
    remove: (file) => call('unlink', { filePath: path(file) }).catch((failed) => {
      if (!isMissing(failed)) throw failed
    }),
    makeFolder: (folder) => call('mkdir', { dirPath: path(folder), recursive: true }).catch((failed) => {
      if (!isPresent(failed)) throw failed
    }),
  }
}

/**
 * @param {any} wx
 * @returns {Secrets | null}
 */
function secretsOf(wx) {
  if (['getStorage', 'setStorage', 'removeStorage'].some((name) => typeof wx[name] !== 'function')) return null
  /**
   * @param {string} method
   * @param {object} args
   * @returns {Promise<any>}
   */
  const call = (method, args) => new Promise((resolve, reject) => {
    wx[method](Object.assign({ success: resolve, fail: reject }, args))
  })
  const toHex = (/** @type {Uint8Array} */ bytes) => Array.from(bytes, (byte) => (byte + 256).toString(16).slice(1)).join('')
  const fromHex = (/** @type {any} */ text) =>
    typeof text === 'string' && /^([0-9a-f]{2})+$/.test(text) ? new Uint8Array((text.match(/../g) || []).map((pair) => parseInt(pair, 16))) : null
  return {
    // A value that is not there is a failure for WeChat, and so is one that it can no longer decrypt.
    read: (name) => call('getStorage', { key: name, encrypt: true }).then((answer) => fromHex(answer.data), () => null),
    write: (name, bytes) => call('setStorage', { key: name, encrypt: true, data: toHex(bytes) }).then(() => {}),
    remove: (name) => call('removeStorage', { key: name }).then(() => {}),
  }
}

/**
 * @param {any} wx
 * @returns {boolean}
 */
function isDevelop(wx) {
  try {
    return wx.getAccountInfoSync().miniProgram.envVersion === 'develop'
  } catch (_) {
    return false
  }
}

/**
 * Builds the platform from what a mini-program finds in its scope.
 * @param {any} wx
 * @param {any} wxWasm
 * @returns {Platform}
 */
function createPlatform(wx, wxWasm) {
  const has = (/** @type {string} */ name) => Boolean(wx) && typeof wx[name] === 'function'
  const readScene = () => {
    try {
      return (has('getEnterOptionsSync') ? wx.getEnterOptionsSync().scene : 0) || 0
    } catch (_) {
      return 0
    }
  }
  // Asked when the mini-program is entered and never when the user does something: not even the number of calls tells.
  let scene = readScene()
  if (has('onAppShow')) wx.onAppShow(() => { scene = readScene() })
  return {
    now: () => Date.now(),
    setTimer: (callback, delayMs) => setTimeout(callback, delayMs),
    clearTimer: (timer) => clearTimeout(timer),
    develop: Boolean(wx) && isDevelop(wx),
    files: wx ? filesOf(wx) : null,
    secrets: wx ? secretsOf(wx) : null,
    seed: () => new Promise((resolve) => {
      if (!has('getRandomValues')) resolve(null)
      else {
        wx.getRandomValues({
          length: 32,
          success: (/** @type {any} */ answer) => resolve(new Uint8Array(answer.randomValues)),
          fail: () => resolve(null),
        })
      }
    }),
    get(url, done) {
      if (!has('request')) return done(true, null)
      wx.request({
        url,
        method: 'GET',
        responseType: 'arraybuffer',
        timeout: REQUEST_TIMEOUT_MS,
        // `success` fires for every status.
        success: (/** @type {any} */ answer) => {
          const good = answer.statusCode === 200 && answer.data && typeof answer.data === 'object' && answer.data.byteLength !== undefined
          done(!good, good ? new Uint8Array(answer.data) : null)
        },
        fail: () => done(true, null),
      })
    },
    instantiate: wxWasm && typeof wxWasm.instantiate === 'function' ? (path, imports) => wxWasm.instantiate(path, imports) : null,
    onShow(callback) {
      if (has('onAppShow')) wx.onAppShow(callback)
    },
    onHide(callback) {
      if (has('onAppHide')) wx.onAppHide(callback)
    },
    scene: () => scene,
    utcOffsetMinutes: () => -new Date().getTimezoneOffset(),
  }
}

module.exports = { createPlatform, isFull }

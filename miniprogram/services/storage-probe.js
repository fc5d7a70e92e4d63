// @ts-check
// Whether the phone keeps what its file system acknowledged, when the process is killed in the middle of writing.
//
// Records of 16 bytes are appended one by one to `log`: their number, its complement and a filler. Only after an append was acknowledged is
// its number written to `seen`. After a kill, every record up to the number in `seen` must be in `log`, whole and in order; a torn
// last record is what a kill may leave.

const FOLDER = wx.env.USER_DATA_PATH + '/selftest'
const LOG = FOLDER + '/log'
const SEEN = FOLDER + '/seen'
const RECORD = 16
const MOST = 20000

/** @typedef {{ acknowledged: number, whole: number, tornBytes: number, kept: boolean }} Verdict */

/**
 * @template T
 * @param {(callbacks: { success: (result: T) => void, fail: (error: { errMsg: string }) => void }) => void} start
 * @returns {Promise<T>}
 */
function promised(start) {
  return new Promise((resolve, reject) => start({ success: resolve, fail: (error) => reject(new Error(error.errMsg)) }))
}

/** @param {number} n */
function record(n) {
  const words = new Uint32Array(RECORD / 4).fill(0x5a484a49)
  words[0] = n
  words[1] = ~n
  return words.buffer
}

/**
 * @param {string} filePath
 * @returns {Promise<ArrayBuffer | null>} null where nothing was written
 */
function read(filePath) {
  const files = wx.getFileSystemManager()
  return promised((callbacks) => files.readFile(Object.assign({ filePath }, callbacks)))
    .then((result) => /** @type {ArrayBuffer} */ (/** @type {any} */ (result).data), () => null)
}

/**
 * @param {string} filePath
 * @param {ArrayBuffer} data
 */
function write(filePath, data) {
  const files = wx.getFileSystemManager()
  return promised((callbacks) => files.writeFile(Object.assign({ filePath, data }, callbacks)))
}

/** @param {ArrayBuffer} data */
function append(data) {
  const files = wx.getFileSystemManager()
  return promised((callbacks) => files.appendFile(Object.assign({ filePath: LOG, data }, callbacks)))
}

/** Removes what the probe wrote. */
function clear() {
  const files = wx.getFileSystemManager()
  return promised((callbacks) => files.rmdir(Object.assign({ dirPath: FOLDER, recursive: true }, callbacks))).then(() => true, () => false)
}

function prepare() {
  const files = wx.getFileSystemManager()
  return clear().then(() => promised((callbacks) => files.mkdir(Object.assign({ dirPath: FOLDER, recursive: true }, callbacks))))
    .then(() => write(LOG, new ArrayBuffer(0)))
}

/**
 * Writes until told to stop, or until the process dies.
 * @param {(acknowledged: number) => boolean} told after each record that is safe; false stops
 * @returns {Promise<void>}
 */
async function run(told) {
  await prepare()
  for (let n = 1; n <= MOST; n++) {
    await append(record(n))
    await write(SEEN, record(n))
    if (!told(n)) return
  }
}

/**
 * What the last run left behind.
 * @returns {Promise<Verdict | null>} null where there was none
 */
async function verdict() {
  const [log, seen] = await Promise.all([read(LOG), read(SEEN)])
  if (!log || !seen) return null
  const marks = new Uint32Array(seen.slice(0, seen.byteLength - (seen.byteLength % 4)))
  // A torn `seen` names no number; then nothing can be held against the log.
  const acknowledged = marks.length >= 2 && marks[1] === (~marks[0] >>> 0) ? marks[0] : 0
  let whole = 0
  while ((whole + 1) * RECORD <= log.byteLength) {
    const words = new Uint32Array(log.slice(whole * RECORD, (whole + 1) * RECORD))
    if (words[0] !== whole + 1 || words[1] !== (~words[0] >>> 0)) break
    whole++
  }
  return { acknowledged, whole, tornBytes: log.byteLength - whole * RECORD, kept: whole >= acknowledged }
}

module.exports = { run, verdict, clear }

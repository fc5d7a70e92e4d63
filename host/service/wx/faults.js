// Faults that a test puts into the storage of the phone.
//
// A rule is { op, path, after, times, mode, bytes, errMsg }:
//   op     name of the writing operation (`writeFile`, `appendFile`, `unlink`, `rename`, `mkdir`, `rmdir`, `setStorage`,
//          `removeStorage`), or absent for all
//   path   a part of the path or key, or absent for all
//   after  how many matching operations pass first (default 0)
//   times  how many then fail (default: all)
//   mode   'fail'  nothing is written, and the caller is told
//          'tear'  the first `bytes` bytes are written, and the caller is told
//          'kill'  the first `bytes` bytes are written (default: none), and from here on this process is dead: no operation
//                  does anything or calls back until the page is loaded again
import { view } from '../context.js'
import { ApiError, NEVER } from './api.js'

const MESSAGES = { fail: 'the maximum size of the file storage limit is exceeded', tear: 'system error, write interrupted' }

let dead = false
/** Every writing operation, in order: tests count them to place a fault at each. */
const performed = []

/** What tests see as `__mpHost.faults`. */
export const faults = {
  rules: view.__mpFaults ? [...view.__mpFaults] : [],
  performed,
  set(...rules) {
    this.rules = rules
  },
  clear() {
    this.rules = []
  },
  /** Ends the process, as the phone does in the background: nothing is written any more. */
  kill() {
    dead = true
  },
  get dead() {
    return dead
  },
}

/** Runs one writing operation under the rules. `tear` writes a prefix of the data. */
export function disturb(op, path, data, write, tear = () => {}) {
  if (dead) return NEVER
  performed.push({ op, path, bytes: data.length })
  const rule = faults.rules.find((one) => matches(one, op, path))
  if (!rule) return write()
  if (rule.mode === 'tear' || (rule.mode === 'kill' && rule.bytes)) tear(rule.bytes || 0)
  if (rule.mode === 'kill') {
    dead = true
    return NEVER
  }
  throw new ApiError(rule.errMsg || MESSAGES[rule.mode || 'fail'], 1300202)
}

function matches(rule, op, path) {
  if ((rule.op && rule.op !== op) || (rule.path && !path.includes(rule.path))) return false
  rule.seen = (rule.seen || 0) + 1
  const at = rule.seen - 1 - (rule.after || 0)
  return at >= 0 && at < (rule.times ?? Infinity)
}

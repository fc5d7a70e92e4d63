// The two ways of calling a wx function: callbacks in the argument, or a promise when there are none.
import { guarded } from '../context.js'

/** An error of a wx function: `fail` receives it as {errMsg, errno}. */
export class ApiError extends Error {
  constructor(message, errno) {
    super(message)
    this.errno = errno
  }
}

/** The answer of a killed process: asynchronous callers wait for ever. */
export const NEVER = new Promise(() => {})

const text = (error) => (error && (error.errMsg || error.message)) || String(error)

/** What `fail` and a rejected promise receive. */
export function failure(name, error) {
  const failed = { errMsg: `${name}:fail ${text(error)}` }
  if (error && error.errno !== undefined) failed.errno = error.errno
  return failed
}

/** Makes an asynchronous wx function of one that computes its answer, at once or as a promise. */
export function asynchronous(name, compute) {
  return (given = {}) => {
    const settled = new Promise((settle, fail) => {
      setTimeout(() => {
        Promise.resolve().then(() => compute(given)).then(
          (answer) => settle({ ...answer, errMsg: `${name}:ok` }),
          (error) => fail(failure(name, error)),
        )
      }, 0)
    })
    return withCallbacks(name, given, settled)
  }
}

/** Gives the promise itself, or calls success, fail and complete with its outcome. */
export function withCallbacks(name, given, settled) {
  if (!given.success && !given.fail && !given.complete) return settled
  const tell = (callbackName, outcome) => {
    if (typeof given[callbackName] === 'function') guarded(`wx.${name} ${callbackName}`, () => given[callbackName](outcome))
  }
  settled.then((answer) => {
    tell('success', answer)
    tell('complete', answer)
  }, (failed) => {
    tell('fail', failed)
    tell('complete', failed)
  })
  return undefined
}

/** Makes a synchronous wx function of one that computes its answer; what it throws carries the function's name. */
export function synchronous(name, compute) {
  return (...args) => {
    try {
      const answer = compute(...args)
      // A synchronous caller cannot be left waiting, and must not be told that its write succeeded.
      if (answer === NEVER) throw new ApiError('the process was killed')
      return answer
    } catch (error) {
      const failed = failure(name, error)
      throw Object.assign(new Error(failed.errMsg), failed)
    }
  }
}

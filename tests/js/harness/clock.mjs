// Time that only moves when a test says so, or when work is charged.

/** Lets every promise that can settle do so; the wasm and file fakes never wait for anything real. */
const settle = () => new Promise((resolve) => { setImmediate(resolve) })

export class Clock {
  constructor(nowMs) {
    this.nowMs = nowMs
    this.timers = []
    this.count = 0
  }

  setTimer(callback, delayMs) {
    const timer = { id: ++this.count, atMs: this.nowMs + Math.max(0, Math.round(Number(delayMs) || 0)), callback }
    this.timers.push(timer)
    return timer.id
  }

  clearTimer(id) {
    this.timers = this.timers.filter((timer) => timer.id !== id)
  }

  /** Compute takes time, during which nothing else runs. */
  charge(ms) {
    this.nowMs += ms
  }

  /** Moves time, running what falls due in order. */
  async advance(ms) {
    const untilMs = this.nowMs + ms
    await settle()
    for (;;) {
      const due = this.timers.filter((timer) => timer.atMs <= untilMs).sort((a, b) => a.atMs - b.atMs || a.id - b.id)[0]
      if (!due) break
      this.clearTimer(due.id)
      this.nowMs = Math.max(this.nowMs, due.atMs)
      due.callback()
      await settle()
    }
    this.nowMs = Math.max(this.nowMs, untilMs)
  }
}

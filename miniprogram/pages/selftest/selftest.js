// @ts-check
const selftest = require('../../services/selftest')
const probe = require('../../services/storage-probe')
const shell = require('../../services/shell')
const i18n = require('../../i18n/index')

Page({
  writing: false,
  data: {
    t: i18n.words(),
    running: false,
    rows: /** @type {{ key: string, name: string, value: string, verdict: string }[]} */ ([]),
    result: '',
    written: '',
  },

  onLoad() {
    this.setData({ t: i18n.words() })
    shell.title(i18n.words().selftest.title)
  },

  onUnload() { this.writing = false },

  async onRun() {
    if (this.data.running) return
    this.setData({ running: true })
    const report = await selftest.run()
    /** @type {Record<string, string>} */
    const names = i18n.words().selftest.rows
    this.setData({
      running: false,
      rows: report.rows.map((row) => ({ key: row.key, name: names[row.key], value: row.value, verdict: row.verdict })),
      result: JSON.stringify(report.result, null, 2),
    })
  },

  async onCopy() {
    const words = i18n.words().selftest
    shell.notice((await shell.copy(this.data.result)) ? words.copied : words.copyFailed)
  },

  onKill() {
    if (this.writing) return
    this.writing = true
    this.tell(0)
    probe.run((count) => {
      if (count % 10 === 0) this.tell(count)
      return this.writing
    }).then(() => { this.writing = false }, (error) => {
      this.writing = false
      this.setData({ written: String(error.message) })
    })
  },

  /** @param {number} count */
  tell(count) { this.setData({ written: i18n.fill(i18n.words().selftest.killCount, { count }) }) },

  onStop() {
    this.writing = false
    probe.clear().then(() => this.setData({ written: '' }))
  },
})

// @ts-check
const zhiji = require('../../recommender')
const catalogue = require('../../services/catalogue')
const recommendation = require('../../services/recommendation')
const shell = require('../../services/shell')
const i18n = require('../../i18n/index')

const POOL = 60
const BATCH = 10
// The first list waits this long for the engine at most; measured against a shelf that takes the network about as long anyway.
const PATIENCE_MS = 400

/** @typedef {import('../../services/catalogue').Item} Item */

Page({
  /** @type {any} the live feed */
  feed: null,
  /** How many batches were asked for since the top; it alone decides which shards are fetched. */
  depth: 0,
  /** How many shards this feed has been given. */
  pushed: 0,
  /** Whether a batch is on its way. */
  waiting: false,
  /** One batch after the other, in the order they were asked for. */
  queue: /** @type {Promise<void>} */ (/** @type {unknown} */ (null)),
  /** State of mind the list was made in. */
  madeAt: 0,
  data: {
    t: i18n.words(),
    language: i18n.language(),
    list: /** @type {any[]} */ ([]),
    status: /** @type {'loading' | 'more' | 'failed' | 'empty' | 'end'} */ ('loading'),
    personal: false,
    ask: false,
    skeleton: [0, 1, 2, 3, 4, 5],
  },

  onLoad() {
    this.queue = Promise.resolve()
    this.restart()
    recommendation.settled(8000).then(() => this.setData({ ask: recommendation.mustAsk() }))
  },

  onShow() {
    shell.title(i18n.words().home.title)
    const translated = this.data.language !== i18n.language()
    if (translated) this.setData({ t: i18n.words(), language: i18n.language() })
    // Whoever changed his mind on the privacy page should see it at once: the list begins anew, from shelves already at hand.
    if (!translated && this.madeAt === recommendation.changes()) return
    this.setData({ ask: recommendation.mustAsk() }) // everything erased: nobody has answered any more
    this.restart()
  },

  onUnload() { if (this.feed) this.feed.close() },

  restart() {
    if (this.feed) this.feed.close()
    this.feed = zhiji.feed('home', { pool: POOL })
    this.depth = 0
    this.pushed = 0
    this.madeAt = recommendation.changes()
    this.setData({ list: [], status: 'loading' })
    shell.toTop()
    return this.more()
  },

  /** The next batch. The shelves are asked for at once, before anything is ranked, and by depth alone. */
  more() {
    const feed = this.feed
    const first = this.depth === 0
    const shown = this.depth * BATCH
    this.depth++
    this.waiting = true
    const arrived = catalogue.firstShards(catalogue.shardsFor(shown, POOL))
    arrived.catch(() => {}) // told below, in turn
    this.queue = this.queue
      .then(() => (first ? recommendation.settled(PATIENCE_MS) : undefined))
      .then(() => arrived)
      .then((shards) => this.show(feed, shards), () => this.fail(feed))
    return this.queue
  },

  /**
   * @param {any} feed the feed the batch was asked for
   * @param {Item[][]} shards
   */
  show(feed, shards) {
    if (feed !== this.feed) return // the list has begun anew meanwhile
    this.waiting = false
    for (; this.pushed < shards.length; this.pushed++) feed.push(shards[this.pushed])
    const batch = feed.next(BATCH)
    const list = this.data.list.concat(batch)
    const status = batch.length ? 'more' : list.length ? 'end' : 'empty'
    this.setData({ list, status, personal: recommendation.active() })
  },

  /** @param {any} feed */
  fail(feed) {
    if (feed !== this.feed) return
    this.waiting = false
    this.depth--
    this.setData({ status: 'failed' })
  },

  // Whether there is more is decided by depth alone: a list that ended because the rest is blocked would tell that by its silence.
  onReachBottom() {
    const { status } = this.data
    if (status !== 'loading' && status !== 'failed' && !this.waiting && this.depth * BATCH < catalogue.count) this.more()
  },

  onPullDownRefresh() {
    catalogue.refresh()
    this.restart().then(() => shell.stopRefresh())
  },

  onRetry() {
    this.setData({ status: this.data.list.length ? 'more' : 'loading' })
    this.more()
  },

  /** @param {{ detail: { id: string } }} event */
  onOpen(event) { shell.openItem(event.detail.id) },

  onAgree() { this.answered(recommendation.agree()) },

  onRefuse() { this.answered(recommendation.refuse()) },

  /**
   * The goods on the screen stay where they are: an answer changes what comes next, not what is shown.
   * @param {Promise<unknown>} decision
   */
  answered(decision) {
    this.madeAt = recommendation.changes()
    this.setData({ ask: false })
    decision.then(() => this.setData({ personal: recommendation.active() }))
  },
})

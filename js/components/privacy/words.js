// @ts-check
// The privacy centre's words, in Chinese and English.

const zh = {
  status: '隐私授权', granted: '已同意', withdrawn: '未同意', unknown: '尚未选择', since: '更新于', policy: '政策版本',
  agree: '同意个性化推荐', withdraw: '撤回同意并清除记录', withdrawSure: '撤回后，本机上的全部兴趣记录会立即清除。再点一次确认。',
  personal: '个性化推荐', personalOn: '按你的兴趣排序，只在本机计算', personalOff: '已关闭：不记录，也不读取已有记录',
  interests: '你的兴趣', interestsNone: '还没有形成兴趣。多逛逛，或者保持这样也很好。', interestsOff: '未开启个性化推荐，没有在使用任何兴趣。',
  why: '为什么', block: '屏蔽', remove: '删除', because: '来自 {events} 次行为，最近一次在 {last}',
  liked: '你比较喜欢', disliked: '你不太喜欢', strength: '强度',
  blocks: '已屏蔽', blocksNone: '没有屏蔽任何内容', unblock: '解除',
  data: '你的数据', show: '查看全部数据', hide: '收起', copy: '复制', copied: '已复制',
  erase: '清除全部数据', eraseSure: '将清除全部记录、屏蔽与授权，不可恢复。再点一次确认。', erased: '已清除',
  where: '存了什么，存在哪里',
  facts: [
    '行为记录：看过、打开、收藏、购买、不感兴趣等，最多保留 schema 规定的条数与天数。',
    '位置：只在本机的小程序用户目录（USER_DATA_PATH/zhiji），不上传、不共享。',
    '网络：只下载推荐模型（清单与权重文件），请求中不含任何行为。',
    '换机、删除小程序或微信清理缓存后，这些记录就不存在了。',
  ],
  today: '今天', yesterday: '昨天', daysAgo: '{days} 天前',
}

/** @type {typeof zh} */
const en = {
  status: 'Consent', granted: 'Agreed', withdrawn: 'Not agreed', unknown: 'Not chosen yet', since: 'since', policy: 'policy version',
  agree: 'Agree to personal recommendations', withdraw: 'Withdraw and erase the record',
  withdrawSure: 'Everything learned on this phone is erased at once. Tap again to confirm.',
  personal: 'Personal recommendations', personalOn: 'Sorted by your interests, computed on this phone only',
  personalOff: 'Off: nothing is recorded, and the record is not read',
  interests: 'Your interests', interestsNone: 'No interests yet. Look around, or leave it like this.',
  interestsOff: 'Personal recommendations are off: no interest is in use.',
  why: 'Why', block: 'Block', remove: 'Delete', because: 'From {events} actions, the last one {last}',
  liked: 'You seem to like', disliked: 'You seem not to like', strength: 'strength',
  blocks: 'Blocked', blocksNone: 'Nothing is blocked', unblock: 'Unblock',
  data: 'Your data', show: 'Show everything', hide: 'Close', copy: 'Copy', copied: 'Copied',
  erase: 'Erase everything', eraseSure: 'The record, the blocks and the consent are erased for good. Tap again to confirm.', erased: 'Erased',
  where: 'What is stored, and where',
  facts: [
    'The record: what you saw, opened, kept, bought or disliked, up to the number and age that the schema sets.',
    'The place: the mini-program\'s user folder on this phone (USER_DATA_PATH/zhiji). It is not uploaded or shared.',
    'The network: models are downloaded (a manifest and weights); no request contains anything you did.',
    'On another phone, after deleting the mini-program, or when WeChat clears its cache, the record is gone.',
  ],
  today: 'today', yesterday: 'yesterday', daysAgo: '{days} days ago',
}

const DAY_MS = 86400000

/** @param {string} language */
const wordsIn = (language) => (language === 'en' ? en : zh)

/** @param {string} text @param {Record<string, any>} values */
const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => String(values[name]))

/** A day as a person says it. @param {typeof zh} words @param {number} atMs @param {number} nowMs */
function dayOf(words, atMs, nowMs) {
  const zoneMs = new Date(nowMs).getTimezoneOffset() * 60000
  const days = Math.floor((nowMs - zoneMs) / DAY_MS) - Math.floor((atMs - zoneMs) / DAY_MS)
  return days <= 0 ? words.today : days === 1 ? words.yesterday : fill(words.daysAgo, { days })
}

module.exports = { wordsIn, fill, dayOf }

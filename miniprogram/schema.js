// @ts-check
// What the shop may record about its visitor, and for how long. The lab reads this same file, so the argument stays a plain literal.
const { defineSchema } = require('zhiji')

module.exports = defineSchema({
  space: 'shop',
  fields: {
    category: { kind: 'category' },
    brand: { kind: 'category' },
    creator: { kind: 'category' },
    tags: { kind: 'tags' },
    price: { kind: 'number', scale: 'log', volatile: true },
    stock: { kind: 'number', volatile: true },
    spu: { kind: 'group' },
  },
  actions: {
    impression: { role: 'impression' },
    open: { weight: 1 },
    dwell: { weight: 0.5 },
    favourite: { weight: 2 },
    cart: { weight: 3 },
    purchase: { weight: 5 },
    hide: { weight: -4 },
  },
  labels: {
    click: { positive: ['open', 'cart', 'purchase'], windowMinutes: 30 },
  },
  surfaces: ['home', 'item'],
  halfLifeDays: [1, 30],
  retention: { events: 4096, days: 180 },
  policy: {
    filters: [{ field: 'stock', atLeast: 1 }],
    diversity: { lambda: 0.7 },
    windows: [{ field: 'creator', most: 2, within: 6 }],
    fatigue: { after: 3, penalty: 0.5 },
    explore: { slots: 1, epsilon: 0.1 },
    cold: 'server',
  },
})

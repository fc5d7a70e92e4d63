import { defineSchema } from 'zhiji'

export const schema = defineSchema({
  space: 'shop',
  fields: {
    category: { kind: 'category' },
    tags: { kind: 'tags' },
    price: { kind: 'number', scale: 'log', volatile: true },
    stock: { kind: 'number', volatile: true },
    spu: { kind: 'group' },
  },
  actions: { impression: { role: 'impression' }, click: { weight: 1 }, hide: { weight: -4 } },
  labels: { click: { positive: ['click'], windowMinutes: 30 } },
  surfaces: ['home', 'item'],
  policy: { filters: [{ field: 'stock', atLeast: 1 }], cold: 'server' },
})

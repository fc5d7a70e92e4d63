// A small shop: the schema and the goods that the tests of the package share.

export const schema = {
  space: 'shop',
  fields: {
    category: { kind: 'category' }, brand: { kind: 'category' }, tags: { kind: 'tags' },
    price: { kind: 'number', scale: 'log', volatile: true }, stock: { kind: 'number', volatile: true }, spu: { kind: 'group' },
  },
  actions: {
    impression: { role: 'impression' }, open: { weight: 1 }, dwell: { weight: 0.5 }, cart: { weight: 3 }, purchase: { weight: 5 }, hide: { weight: -4 },
  },
  labels: { click: { positive: ['open', 'cart', 'purchase'], windowMinutes: 30 } },
  surfaces: ['home', 'item'],
  halfLifeDays: [1, 30],
  retention: { events: 4096, days: 180 },
  policy: {
    filters: [{ field: 'stock', atLeast: 1 }], diversity: { lambda: 0.8 }, fatigue: { after: 3, penalty: 0.5 }, explore: { slots: 0, epsilon: 0 }, cold: 'server',
  },
}

const CATEGORIES = ['女装', '男鞋', '数码', '零食', '图书']

/** Goods from a position on: the same every time, and no two alike. */
export function goods(from, count) {
  return Array.from({ length: count }, (_, at) => {
    const number = from + at
    return {
      id: `sku${number}`, category: CATEGORIES[number % 5], brand: `牌${number % 7}`, tags: [`t${number % 3}`, '新品🎁'],
      price: 10 + number, stock: 5, title: `商品 ${number}`,
    }
  })
}

/** Opens the shop in a process and waits until its engine works. @param {import('./phone.mjs').Process} process @param {any} [more] */
export async function openShop(process, more) {
  const zhiji = process.zhiji().open(Object.assign(process.own({ schema, policyVersion: '1' }), more))
  await process.advance(100)
  return zhiji
}

/** Opens the shop as someone who has agreed. @param {import('./phone.mjs').Process} process @param {any} [more] */
export async function openAgreed(process, more) {
  const zhiji = await openShop(process, more)
  if (zhiji.consent.state().status !== 'granted') {
    zhiji.consent.grant(process.own({ policyVersion: '1', purposes: ['personalisation'] }))
    await process.advance(200)
  }
  return zhiji
}

/** Sees some goods and opens those of one category. */
export function shopFor(zhiji, category, items) {
  for (const item of items) zhiji.track('impression', item.id, { surface: 'home' })
  for (const item of items) if (item.category === category) zhiji.track('open', item.id)
}

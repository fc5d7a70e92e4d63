// Every line below an expectation must not compile.
import { defineSchema, open } from 'zhiji'
import { schema } from './schema'

const zhiji = open({ schema })

// @ts-expect-error a misspelt action
zhiji.track('clik', 'sku1')
// @ts-expect-error an id is a text
zhiji.track('click', 7)
// @ts-expect-error a surface the schema does not have
zhiji.feed('hom')
// @ts-expect-error a surface the schema does not have
zhiji.track('click', 'sku1', { surface: 'cart' })
// @ts-expect-error a part that events do not have
zhiji.track('click', 'sku1', { dwell: 3 })
// @ts-expect-error a number is no word that could be blocked
zhiji.block('price', '9')
// @ts-expect-error a field the schema does not have
zhiji.forget({ field: 'colour', value: 'red' })
// @ts-expect-error price is a number
zhiji.rank([{ id: 'a', price: 'cheap' }])
// @ts-expect-error a candidate without id
zhiji.rank([{ price: 3 }])
// @ts-expect-error a kind that fields do not have
defineSchema({ space: 'x', fields: { a: { kind: 'text' } }, actions: {} })
// @ts-expect-error there is no schema
open({ manifest: 'https://cdn.example.com/manifest.json' })
// @ts-expect-error phones have no fetch
fetch('https://cdn.example.com')

// Everything here must compile.
import { open } from 'zhiji'
import { schema } from './schema'

const zhiji = open({ schema, manifest: 'https://cdn.example.com/manifest.json', onError: (failure) => failure.code === 'NO_WASM' })

interface Product { id: string; category: string; price: number; stock: number; title: string }
const products: Product[] = []

const feed = zhiji.feed<Product>('home', { pool: 60 })
if (feed.wants()) feed.push(products)
const title: string = feed.next(10)[0].title
const position: number = feed.next(10)[0].__zhiji.position
const slate = zhiji.rank(products, { surface: 'item', slots: 4 })
const ranked: string[] = slate.items.map((item) => item.title)

zhiji.track('click', 'sku1', { surface: 'home', position: 2 })
zhiji.items.patch('sku1', { stock: 0 })
zhiji.forget({ field: 'category', value: '女装' })
zhiji.forget({ all: true })
zhiji.block('tags', '棉')
zhiji.consent.grant({ policyVersion: '1' }).then((stored: boolean) => stored)
const undone: boolean = zhiji.feedback('sku1', 1).undo()
const on: boolean = zhiji.personalisation()

export { title, position, ranked, undone, on }

// The logic realm is as bare as the phone's, and wx has what the host lists and nothing else. WXWebAssembly in every mood.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { host, stage, until } from './stage.mjs'

let scene
before(async () => { scene = await stage() })
after(() => scene.close())

// The plain run serves every test that only reads what it found.
let plain
const probe = (query) => {
  if (query) return probed(query)
  plain ||= probed('')
  return plain
}

const probed = async (query) => {
  const page = await scene.open(`&start=pages/probe/probe${query}`)
  const { rows, later } = await until(page, (data) => data.rows.length > 0, 'the probes')
  return { page, later, found: Object.fromEntries(rows.map(({ name, found }) => [name, found])) }
}

test('page code reaches no network, no browser object, no compiler of strings', async () => {
  const { page, found } = await probe()
  for (const [name, value] of Object.entries(found)) {
    assert.match(value, /^(undefined|throws \w+)$/, `${name} is within reach`)
  }
  assert.equal(Object.keys(found).length, 40)
  assert.deepEqual(await host(page, 'errors'), [])
})

test('a wx function that the host does not have throws by name', async () => {
  const { page, found } = await probe()
  assert.equal(found['wx.createWorker'], 'throws Error')
  const text = await page.evaluate(() => {
    try {
      return String(window.__mpHost.wx().login)
    } catch (error) {
      return error.message
    }
  })
  assert.equal(text, 'wx.login is not provided by this host')
})

test('requests reach mapped origins only, succeed with any status, and are logged', async () => {
  const { page, later } = await probe()
  assert.equal(later.request, '200 海盐焦糖')
  assert.equal(later.missing, 404)
  assert.equal(later.binary, true)
  assert.match(later.foreign, /request:fail url not in domain list/)
  const asked = await host(page, 'requests')
  assert.deepEqual(asked.map(({ method, url, status }) => [method, url, status]), [
    ['GET', 'https://cdn.example.com/goods.json', 200],
    ['GET', 'https://cdn.example.com/none', 404],
    ['GET', 'https://cdn.example.com/goods.json', 200],
    ['GET', 'https://elsewhere.example.com/', 'failed'],
  ])
  const served = scene.server.requests.slice(-3)
  assert.deepEqual(served.map(({ url, status }) => [url, status]).sort(), [
    ['https://cdn.example.com/goods.json', 200], ['https://cdn.example.com/goods.json', 200], ['https://cdn.example.com/none', 404]])
  for (const { headers } of served) assert.equal(headers['if-none-match'] || headers['if-modified-since'], undefined)
  const calls = (await host(page, 'wxCalls')).map(({ name }) => name)
  assert.equal(calls.filter((name) => name === 'request').length, 4)
})

test('?net=off fails every request', async () => {
  const { later } = await probe('&net=off')
  for (const name of ['request', 'missing', 'binary', 'foreign']) assert.match(later[name], /^fails: request:fail/, name)
})

test('WXWebAssembly takes package paths, hides what iOS hides, and resolves to {instance}', async () => {
  const { later } = await probe()
  assert.equal(later.wasm, 'instance memory,one,three,two')
  assert.equal(later.brotli, 'instance memory,one,three,two')
  assert.equal(later.simd, 'instance lane')
  assert.match(later.bytes, /must be a path/)
  assert.match(later.address, /only paths in the code package/)
  assert.match(later.absent, /no such file in the code package/)
})

test('?wasm=instance resolves to an Instance', async () => {
  const { later } = await probe('&wasm=instance')
  assert.equal(later.wasm, 'exports memory,one,three,two')
})

test('?simd=refuse rejects the SIMD file alone', async () => {
  const { later } = await probe('&simd=refuse')
  assert.match(later.simd, /SIMD/)
  assert.equal(later.wasm, 'instance memory,one,three,two')
})

test('?wasm=refuse rejects every file', async () => {
  const { later } = await probe('&wasm=refuse')
  for (const name of ['wasm', 'brotli', 'simd']) assert.match(later[name], /refused/, name)
})

test('?wasm=never leaves the promise open, and the page goes on', async () => {
  const page = await scene.open('&start=pages/probe/probe&wasm=never')
  await page.waitForTimeout(300)
  assert.deepEqual((await host(page, 'wasm')).filter(({ path }) => path.endsWith('.wasm')).map(({ outcome }) => outcome),
    ['pending', 'pending', 'pending', 'pending'])
  assert.deepEqual((await host(page, 'data')).later, {})
  assert.deepEqual(await host(page, 'errors'), [])
})

test('a subpackage module comes by require.async alone', async () => {
  const { later, found } = await probe()
  assert.equal(later.async, 42)
  assert.equal(found['require across packages'], 'throws Error')
})

test('the clock, the randomness, the version and old base libraries are the run\'s to choose', async () => {
  const page = await scene.open('&start=pages/probe/probe&now=1700000000000&random=7&env=develop&without=getRandomValues,getEnterOptionsSync')
  const seen = await page.evaluate(() => {
    const wx = window.__mpHost.wx()
    return [typeof wx.getRandomValues, wx.canIUse('getRandomValues'), wx.getAccountInfoSync().miniProgram.envVersion, window.__mpHost.clock.now()]
  })
  assert.deepEqual(seen.slice(0, 3), ['undefined', false, 'develop'])
  assert.equal(Math.abs(seen[3] - 1700000000000) < 60000, true)
  await host(page, 'clock.advance', 86400000)
  assert.equal(await host(page, 'clock.now') - seen[3] >= 86400000, true)
  const draw = async () => {
    const fresh = await scene.open('&random=7')
    return fresh.evaluate(async () => Array.from(new Uint8Array((await window.__mpHost.wx().getRandomValues({ length: 16 })).randomValues)))
  }
  assert.deepEqual(await draw(), await draw())
  const { later } = await probe('&random=off')
  assert.match(later.random, /getRandomValues:fail/)
})

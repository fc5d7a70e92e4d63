// Files and storage outlive the app, and fail as a test orders.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { host, reopen, stage, until } from './stage.mjs'

let scene
before(async () => { scene = await stage() })
after(() => scene.close())

/** Runs code with the page's own wx, in the page. */
const withWx = (page, run, given) => page.evaluate(`(${run})(window.__mpHost.wx(), ${JSON.stringify(given)})`)

const attempts = (wx, list) => {
  const files = wx.getFileSystemManager()
  return list.map(([name, ...args]) => {
    try {
      return JSON.parse(JSON.stringify(files[name](...args) ?? null))
    } catch (error) {
      return error.message
    }
  })
}

test('what was written is there after the app was killed and opened again', async () => {
  const page = await scene.open('&start=pages/mine/mine')
  assert.equal((await host(page, 'data')).saved, "readFileSync:fail no such file or directory, open 'wxfile://usr/notes/note.txt'")
  await page.locator('#note input').fill('喝茶')
  await page.locator('#save').tap()
  await until(page, ({ saved }) => saved === '喝茶。', 'the file')
  await reopen(page)
  const data = await host(page, 'data')
  assert.deepEqual([data.saved, data.note], ['喝茶。', '喝茶'])
  assert.deepEqual(await host(page, 'files.list'), { 'notes/note.txt': 9 })
})

test('the file system refuses what the phone refuses, in its words', async () => {
  const page = await scene.open()
  const usr = 'wxfile://usr'
  assert.deepEqual(await withWx(page, attempts, [
    ['writeFileSync', `${usr}/none/a`, 'x', 'utf8'],
    ['appendFileSync', `${usr}/a`, 'x', 'utf8'],
    ['mkdirSync', `${usr}/a/b`],
    ['mkdirSync', `${usr}/a/b`, true],
    ['mkdirSync', `${usr}/a`],
    ['writeFileSync', `${usr}/a/f`, 'hello', 'utf8'],
    ['readFileSync', `${usr}/a/f`, 'utf8', 1, 3],
    ['readdirSync', `${usr}/a`],
    ['rmdirSync', `${usr}/a`],
    ['renameSync', `${usr}/a/f`, `${usr}/a/g`],
    ['accessSync', `${usr}/a/f`],
    ['unlinkSync', `${usr}/a/f`],
    ['rmdirSync', `${usr}/a`, true],
    ['readdirSync', usr],
    ['writeFileSync', '/lib/goods.js', 'x', 'utf8'],
    ['readFileSync', '/data/dot.svg', 'utf8', 0, 4],
  ]), [
    `writeFileSync:fail no such file or directory, open '${usr}/none/a'`,
    `appendFileSync:fail no such file or directory, open '${usr}/a'`,
    `mkdirSync:fail no such file or directory, mkdir '${usr}/a/b'`,
    null,
    `mkdirSync:fail file already exists ${usr}/a`,
    null,
    'ell',
    ['b', 'f'],
    `rmdirSync:fail directory not empty, rmdir '${usr}/a'`,
    null,
    `accessSync:fail no such file or directory, access '${usr}/a/f'`,
    `unlinkSync:fail no such file or directory, unlink '${usr}/a/f'`,
    null,
    [],
    "writeFileSync:fail permission denied, open '/lib/goods.js'",
    '<svg',
  ])
})

test('the asynchronous forms call back with the phone\'s error, or give a promise', async () => {
  const page = await scene.open()
  const seen = await withWx(page, (wx) => new Promise((done) => {
    const files = wx.getFileSystemManager()
    const order = []
    files.readFile({
      filePath: 'wxfile://usr/none',
      success: () => order.push('success'),
      fail: ({ errMsg, errno }) => order.push([errMsg, errno]),
      complete: () => {
        files.writeFile({ filePath: 'wxfile://usr/x', data: new Uint8Array([1, 2]), fail: ({ errMsg }) => order.push(errMsg), complete: () => done(order) })
      },
    })
  }))
  assert.deepEqual(seen, [
    ["readFile:fail no such file or directory, open 'wxfile://usr/none'", 1300002],
    'writeFile:fail parameter error: data should be String or ArrayBuffer',
  ])
})

test('a compressed package file is read inflated', async () => {
  const page = await scene.open()
  const bytes = await withWx(page, async (wx) => {
    const { data } = await wx.getFileSystemManager().readCompressedFile({ filePath: '/wasm/probe.wasm.br', compressionAlgorithm: 'br' })
    return Array.from(new Uint8Array(data).subarray(0, 4))
  })
  assert.deepEqual(bytes, [0, 97, 115, 109])
  assert.deepEqual(await withWx(page, (wx) => [
    wx.canIUse('FileSystemManager.readCompressedFile'), wx.canIUse('FileSystemManager.open'), wx.canIUse('login'),
  ]), [true, false, false])
})

test('a write fails, tears or kills as ordered', async () => {
  const page = await scene.open()
  const write = (name, text) => withWx(page, attempts, [['writeFileSync', `wxfile://usr/${name}`, text, 'utf8']])
  await host(page, 'faults.set', { op: 'writeFile', path: 'b', mode: 'fail' })
  assert.deepEqual(await write('a', 'one'), [null])
  assert.match((await write('b', 'two'))[0], /writeFileSync:fail the maximum size of the file storage limit is exceeded/)
  await host(page, 'faults.set', { mode: 'tear', bytes: 2, after: 1, times: 1 })
  assert.deepEqual(await write('c', 'three'), [null])
  assert.match((await write('d', 'four'))[0], /write interrupted/)
  assert.deepEqual(await write('e', 'five'), [null])
  await host(page, 'faults.set', { mode: 'kill', bytes: 3 })
  for (const name of ['f', 'g']) assert.deepEqual(await write(name, 'sixth'), ['writeFileSync:fail the process was killed'])
  assert.equal(await withWx(page, (wx) => Promise.race([
    wx.getFileSystemManager().writeFile({ filePath: 'wxfile://usr/h', data: 'x', encoding: 'utf8' }).then(() => 'told', () => 'told'),
    new Promise((done) => setTimeout(() => done('silence'), 100)),
  ])), 'silence')
  await reopen(page)
  assert.deepEqual(await host(page, 'files.list'), { a: 3, c: 5, d: 2, e: 4, f: 3 })
})

test('faults can be in place before the first page runs, and storage knows them too', async () => {
  const page = await scene.open('', { prepare: () => { window.__mpFaults = [{ op: 'setStorage', mode: 'fail', errMsg: 'full' }] } })
  assert.match(await withWx(page, (wx) => {
    try {
      return wx.setStorageSync('k', 1)
    } catch (error) {
      return error.message
    }
  }), /setStorageSync:fail full/)
  assert.deepEqual(await host(page, 'storage'), {})
})

test('encrypted entries of the storage answer to the same option only', async () => {
  const page = await scene.open()
  assert.deepEqual(await withWx(page, async (wx) => {
    await wx.setStorage({ key: 'key', data: { secret: 1 }, encrypt: true })
    const plain = await wx.getStorage({ key: 'key' }).catch(() => 'refused')
    const { data } = await wx.getStorage({ key: 'key', encrypt: true })
    return [plain, data]
  }), ['refused', { secret: 1 }])
})

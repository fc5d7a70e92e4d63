// Runs WeChat's own compilers of templates and styles, from the npm package `miniprogram-compiler`, over a mini-program.
//
//   node host/official/compile.mjs <mini-program>…
//
// They refuse some expressions that glass-easel accepts, so a mini-program passes here before it is shown anywhere. Exit codes
// are not enough: on some errors the style compiler prints `ERR` or `error` and goes on, so its words count too.
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import { createRequire } from 'node:module'
import os from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'

const PLATFORMS = { linux: 'linux', darwin: 'mac' }

/**
 * Compiles every .wxml, .wxs and .wxss below a directory.
 *
 * @param {string} dir
 * @returns {{templates: number, scripts: number, styles: number, problems: string[]}}
 */
export function compileOfficially(dir) {
  const files = fs.readdirSync(dir, { recursive: true }).map((file) => String(file).split(path.sep).join('/'))
    .filter((file) => !/(^|\/)(node_modules|\.[^/]+)\//.test(file)).sort()
  const named = (extension) => files.filter((file) => file.endsWith(extension))
  const [templates, scripts, styles] = [named('.wxml'), named('.wxs'), named('.wxss')]
  const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'official-compile-'))
  try {
    const problems = [
      ...run(scratch, 'wcc', dir, ['-d', '-o', path.join(scratch, 'templates.js'), ...templates, ...scripts], templates.length),
      ...run(scratch, 'wcsc', dir, ['-o', path.join(scratch, 'styles.js'), ...styles], styles.length),
    ]
    return { templates: templates.length, scripts: scripts.length, styles: styles.length, problems }
  } finally {
    fs.rmSync(scratch, { recursive: true, force: true })
  }
}

function run(scratch, name, dir, args, count) {
  if (count === 0) return []
  const done = spawnSync(executable(scratch, name), args, { cwd: dir, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 })
  if (done.error) return [`${name} does not start: ${done.error.message}`]
  const said = `${done.stdout}\n${done.stderr}`.split('\n').map((line) => line.trim()).filter(Boolean)
  const bad = said.filter((line) => /\berr(or)?\b|not found|unexpected|warning/i.test(line) && !/^error file count: 0$/.test(line))
  if (done.status === 0 && bad.length === 0) return []
  const lines = (bad.length ? bad : said).map((line) => `${name}: ${line}`)
  return lines.length ? lines : [`${name} ended with ${done.status ?? done.signal}`]
}

// The package ships its programs without the right to execute them.
function executable(scratch, name) {
  const folder = PLATFORMS[process.platform]
  if (!folder) throw new Error(`miniprogram-compiler has no ${name} that is known to run on ${process.platform}`)
  const home = path.dirname(createRequire(import.meta.url).resolve('miniprogram-compiler/package.json'))
  const copy = path.join(scratch, name)
  fs.copyFileSync(path.join(home, 'bin', folder, name), copy)
  fs.chmodSync(copy, 0o755)
  return copy
}

if (process.argv[1] && import.meta.url === pathToFileURL(path.resolve(process.argv[1])).href) {
  const dirs = process.argv.slice(2)
  if (dirs.length === 0) {
    console.error('usage: node host/official/compile.mjs <mini-program>…')
    process.exitCode = 2
  }
  for (const dir of dirs) {
    const { templates, scripts, styles, problems } = compileOfficially(dir)
    if (problems.length) {
      console.error(problems.map((line) => `${dir}: ${line}`).join('\n'))
      process.exitCode = 1
    } else console.log(`${dir}: wcc and wcsc accept ${templates} templates, ${scripts} scripts, ${styles} styles`)
  }
}

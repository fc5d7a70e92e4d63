// Runs WeChat's own "build npm" (packNpm of the npm package `miniprogram-ci`) over a package that declares a `miniprogram` folder,
// and checks that every file of that folder arrives unchanged.
//
//   node host/official/pack-npm.mjs <package folder> <folder with miniprogram-ci installed>
//
// `miniprogram-ci` brings over a thousand packages, so it is no dependency of this repository: whoever runs this installs it
// into a folder of its own, with `npm install --prefix FOLDER --no-save --ignore-scripts miniprogram-ci@2.1.42`.
import fs from 'node:fs'
import { createRequire } from 'node:module'
import os from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'

/**
 * Packs one package into an otherwise empty mini-program.
 *
 * @param {string} packageDir holds a package.json with a `miniprogram` field
 * @param {string} toolsDir holds node_modules/miniprogram-ci
 * @returns {Promise<{files: number, problems: string[]}>}
 */
export async function packOfficially(packageDir, toolsDir) {
  const described = JSON.parse(fs.readFileSync(path.join(packageDir, 'package.json'), 'utf8'))
  if (!described.miniprogram) return { files: 0, problems: ['package.json has no `miniprogram` field'] }
  const ci = createRequire(path.join(path.resolve(toolsDir), 'package.json'))('miniprogram-ci')
  const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'official-pack-'))
  try {
    layOut(scratch, packageDir, described)
    // The real attributes of a project come from WeChat's servers with a private key; its own defaults serve here.
    class OfflineProject extends ci.Project {
      async attr() {
        return ci.DefaultProjectAttr
      }
    }
    const project = new OfflineProject({
      appid: 'wx1234567890123456',
      type: 'miniProgram',
      projectPath: scratch,
      privateKeyPath: path.join(scratch, 'unused.key'),
      ignores: [],
    })
    const warnings = await ci.packNpm(project, { reporter() {} })
    const problems = (warnings || []).map((warning) => `packNpm warns: ${warning.msg || warning.jsPath || JSON.stringify(warning)}`)
    const expected = listing(path.join(packageDir, described.miniprogram))
    const packed = listing(path.join(scratch, 'miniprogram_npm', described.name))
    for (const [file, content] of expected) {
      if (!packed.has(file)) problems.push(`${file} was left out`)
      else if (!packed.get(file).equals(content)) problems.push(`${file} was changed`)
    }
    for (const file of packed.keys()) if (!expected.has(file)) problems.push(`${file} was added`)
    return { files: packed.size, problems }
  } finally {
    fs.rmSync(scratch, { recursive: true, force: true })
  }
}

function layOut(scratch, packageDir, { name, version }) {
  const write = (file, value) => {
    fs.mkdirSync(path.dirname(path.join(scratch, file)), { recursive: true })
    fs.writeFileSync(path.join(scratch, file), typeof value === 'string' ? value : JSON.stringify(value))
  }
  write('project.config.json', { appid: 'wx1234567890123456', compileType: 'miniprogram', setting: { packNpmManually: false } })
  write('package.json', { name: 'host', version: '1.0.0', dependencies: { [name]: version } })
  write('app.json', { pages: ['pages/index/index'] })
  write('app.js', 'App({})')
  write('pages/index/index.js', 'Page({})')
  write('pages/index/index.wxml', '<view />')
  write('pages/index/index.json', {})
  write('unused.key', 'unused')
  fs.cpSync(packageDir, path.join(scratch, 'node_modules', name), { recursive: true })
}

function listing(dir) {
  const files = fs.existsSync(dir) ? fs.readdirSync(dir, { recursive: true }).map(String).sort() : []
  return new Map(files.filter((file) => fs.statSync(path.join(dir, file)).isFile()).map((file) => [file, fs.readFileSync(path.join(dir, file))]))
}

if (process.argv[1] && import.meta.url === pathToFileURL(path.resolve(process.argv[1])).href) {
  const [packageDir, toolsDir] = process.argv.slice(2)
  if (!packageDir || !toolsDir) {
    console.error('usage: node host/official/pack-npm.mjs <package folder> <folder with miniprogram-ci installed>')
    process.exit(2)
  }
  const { files, problems } = await packOfficially(packageDir, toolsDir)
  if (problems.length || files === 0) console.error([...problems, files === 0 && 'nothing was packed'].filter(Boolean).join('\n'))
  else console.log(`packNpm copies ${files} files of ${packageDir} unchanged`)
  // miniprogram-ci leaves timers and workers behind.
  process.exit(problems.length || files === 0 ? 1 : 0)
}

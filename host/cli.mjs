// node host/cli.mjs build <mini-program> <out>
// node host/cli.mjs serve <out> [--port 8123] [--origin https://cdn.example.com=folder]…
import { parseArgs } from 'node:util'
import { BuildError, buildMiniProgram } from './build.mjs'
import { serveHost } from './serve.mjs'

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    port: { type: 'string', default: '8123' },
    host: { type: 'string', default: '127.0.0.1' },
    origin: { type: 'string', multiple: true, default: [] },
  },
})
const [command, ...paths] = positionals

if (command === 'build' && paths.length === 2) {
  try {
    const built = await buildMiniProgram(paths[0], paths[1])
    const size = (built.bytes / 1024).toFixed(1)
    console.log(`${built.pages.length} pages, ${built.components.length} components, ${built.modules.length} modules, ${size} KiB`)
  } catch (error) {
    if (!(error instanceof BuildError)) throw error
    console.error(error.message)
    process.exitCode = 1
  }
} else if (command === 'serve' && paths.length === 1) {
  const origins = Object.fromEntries(values.origin.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]))
  const { url } = await serveHost(paths[0], { port: Number(values.port), host: values.host, origins })
  console.log(url)
} else {
  console.error('usage: node host/cli.mjs build <mini-program> <out>\n       node host/cli.mjs serve <out> [--port 8123] [--origin https://cdn.example.com=folder]…')
  process.exitCode = 2
}

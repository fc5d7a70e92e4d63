// Writes the FILE, which was compressed with brotli, to a second FILE as it was before.
import { readFileSync, writeFileSync } from 'node:fs'
import { brotliDecompressSync } from 'node:zlib'

writeFileSync(process.argv[3], brotliDecompressSync(readFileSync(process.argv[2])))

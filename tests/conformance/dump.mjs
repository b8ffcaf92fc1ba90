// Prints what the suite in the folder that is named defines, as JSON.
import path from 'node:path'
import { pathToFileURL } from 'node:url'

const { default: suite } = await import(pathToFileURL(path.join(process.argv[2], 'tests', 'index.mjs')))
process.stdout.write(JSON.stringify(suite))

// The installed packages at work: a server and a client exchange messages over each transport, on this Node or on other runtimes.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { capture } from '../lib.mjs'
import { install, project } from './project.mjs'

const ALL = ['websocket', 'sse', 'long-poll']
const NODE = { 'import.mjs': ALL, 'require.cjs': ALL }
// A server that is a function from Request to Response has no WebSocket of ours.
const WEB = { ...NODE, 'serve.mjs': ['sse', 'long-poll'] }

/** By `import` and `require`, on the Node that runs this. */
export function checkThisNode(folder, report) {
  runAll(
    `Node ${process.version}`,
    { file: process.execPath, args: [], silent: true },
    NODE,
    process.version,
    folder,
    report,
  )
}

/** The runtimes as packages of the registry, each in an empty project with ours. */
export function checkRuntimes(folder, packed, report) {
  for (const major of [20, 22, 24, 26]) {
    const place = project(join(folder, `node-${major}`))
    const problem = install(place, [...packed, `node@${major}`])
    if (!report.check(`Node ${major}: npm install`, problem)) continue
    const file = join(place, 'node_modules', 'node', 'bin', 'node')
    // Without its install script the package runs the Node that is there already, and says nothing.
    runAll(`Node ${major}`, { file, args: [], silent: true }, NODE, new RegExp(`^v${major}\\.`), place, report)
  }
  for (const [name, title, args] of [
    ['bun', 'Bun', []],
    ['deno', 'Deno', ['run', '--allow-all']],
  ]) {
    const place = project(join(folder, name))
    const problem = install(place, [...packed, name])
    if (problem) {
      report.skip(title, `the npm package did not install: ${problem.split('\n').slice(0, 3).join(' ')}`)
      continue
    }
    const { version } = JSON.parse(readFileSync(join(place, 'node_modules', name, 'package.json'), 'utf8'))
    const file = join(place, 'node_modules', '.bin', name)
    runAll(`${title} ${version}`, { file, args }, WEB, version, place, report)
  }
}

function runAll(title, runtime, programs, version, folder, report) {
  for (const [program, transports] of Object.entries(programs)) {
    const { file, args, silent } = runtime
    const { code, out, err } = capture(file, [...args, program], { cwd: folder, timeout: 60_000 })
    report.check(`${title}: ${program} exchanges messages over ${transports.join(', ')}`, problemOf())

    function problemOf() {
      if (code !== 0) return `exit code ${code}\n${out}${err}`
      const said = JSON.parse(out)
      if (!said.version.match(version)) return `It ran on ${said.version}.`
      if (String(said.transports) !== String(transports)) return `It used ${said.transports}.`
      // Warnings (of what is deprecated, or experimental) are the packages' fault.
      if (silent && err !== '') return err
    }
  }
}

// Loads each door of the installed packages by `import` and `require`, without and with its optional peer, and compiles its types.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../lib.mjs'
import { install } from './project.mjs'

/** Doors that need an optional peer; every other one must load without any. */
const PEERS = {
  '@rt/server/redis': ['ioredis@6'],
  '@rt/server/prometheus': ['prom-client@15'],
  '@rt/server/opentelemetry': ['@opentelemetry/api@1'],
  '@rt/client/react': ['react@19', '@types/react@19'],
}

const tsc = join(root, 'node_modules', '.bin', 'tsc')

export function checkDoors(folder, doors, report) {
  const load = (door) => {
    // The process must end by itself: loading a door starts nothing.
    const options = { cwd: folder, timeout: 60_000 }
    const byImport = `await import(${JSON.stringify(door)})`
    report.command(`import ${door}`, process.execPath, ['--input-type=module', '-e', byImport], options)
    report.command(`require ${door}`, process.execPath, ['-e', `require(${JSON.stringify(door)})`], options)
  }
  for (const door of doors) if (!PEERS[door]) load(door)
  const peers = doors.flatMap((door) => PEERS[door] ?? [])
  report.check('npm install of the optional peers', install(folder, ['@types/node@20', ...peers]))
  for (const door of doors) if (PEERS[door]) load(door)
  report.command('types as a strict user with nodenext compiles them', tsc, typescript(folder, doors, ['node']))
}

/** Types of the client in a project that has none of Node. */
export function checkClientTypes(folder, doors, report) {
  const clientDoors = doors.filter((door) => door.startsWith('@rt/client') && !PEERS[door])
  report.command('client types without Node types', tsc, typescript(folder, clientDoors, []))
}

/** The arguments of tsc for a project that uses the doors, libraries' types checked too. */
function typescript(folder, doors, types) {
  const lines = doors.map((door, i) => `export * as d${i} from ${JSON.stringify(door)}`)
  writeFileSync(join(folder, 'use.mts'), `${lines.join('\n')}\n`)
  const compilerOptions = {
    strict: true,
    exactOptionalPropertyTypes: true,
    module: 'nodenext',
    target: 'es2022',
    lib: ['es2023', 'dom', 'dom.iterable', 'dom.asynciterable', 'esnext.disposable'],
    noEmit: true,
    types,
  }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['use.mts'] }))
  return ['-p', folder]
}

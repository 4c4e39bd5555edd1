// What comes along when somebody installs the published packages: scripts that would run, versions that are too old, holes that are known.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { capture, root } from '../lib.mjs'

/** The oldest versions that are good enough (docs/security.md). */
const OLDEST = { ws: '8.23.0', ioredis: '5.9.0' }
/** What npm runs when it installs a package. */
const INSTALL_SCRIPTS = ['preinstall', 'install', 'postinstall']

/** `folder`: a project with both packages and their optional peers. */
export function checkSupplyChain(folder, report) {
  const { out } = capture('npm', ['query', '*'], { cwd: folder })
  const installed = JSON.parse(out).filter(({ name }) => name !== 'user')
  checkScripts(installed, report)
  checkVersions(installed, report)
  checkAudit(folder, report)
}

function checkScripts(installed, report) {
  const names = installed.map(({ name }) => name)
  const missing = ['@rt/server', '@rt/client', 'ws', 'ioredis'].filter((name) => !names.includes(name))
  const found = installed.flatMap(({ name, scripts = {} }) =>
    INSTALL_SCRIPTS.filter((script) => script in scripts).map((script) => `${name} has ${script}`),
  )
  report.check(
    `nothing runs when the packages, their dependencies and peers are installed (${names.length})`,
    [...missing.map((name) => `${name} is not there`), ...found].join('\n'),
  )
}

/** What `@rt/server` allows reaches no further down, and this repository is not tested with less. */
function checkVersions(installed, report) {
  const { dependencies, peerDependencies } = installed.find(({ name }) => name === '@rt/server')
  const ranges = { ...dependencies, ...peerDependencies }
  for (const [name, oldest] of Object.entries(OLDEST)) {
    const { version } = JSON.parse(
      readFileSync(join(root, 'packages/server/node_modules', name, 'package.json'), 'utf8'),
    )
    const old = [...ranges[name].split('||'), version].filter((one) => isBelow(one, oldest))
    report.check(
      `${name} is ${oldest} or later: ${ranges[name]} for users, ${version} here`,
      old.length > 0 ? `below it: ${old.join(', ')}` : undefined,
    )
  }
}

const isBelow = (range, oldest) =>
  (range.match(/\d+\.\d+\.\d+/)?.[0] ?? '0').localeCompare(oldest, 'en', { numeric: true }) < 0

/** By npm, since pnpm's would ask for the examples as well. */
function checkAudit(folder, report) {
  const name = 'npm audit knows of nothing high or critical'
  const args = ['audit', '--no-package-lock', '--audit-level=high', '--json']
  const { code, out, err } = capture('npm', args, { cwd: folder })
  const said = JSON.parse(out || '{}')
  if (said.auditReportVersion !== undefined) {
    const bad = Object.values(said.vulnerabilities).filter(({ severity }) => /^(high|critical)$/.test(severity))
    report.check(
      name,
      code === 0 ? undefined : bad.map((one) => `${one.name} ${one.range}: ${one.severity}`).join('\n'),
    )
  } else if (said.message !== undefined)
    report.skip(name, `the registry answers no audits (${said.statusCode ?? 'unreachable'})`)
  else report.check(name, `exit code ${code}\n${out}${err}`)
}

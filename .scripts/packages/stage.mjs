// The stage `packages`: the published packages as a user gets them, packed and installed by npm into empty projects, and put to use. Called by test.mjs.
import { join } from 'node:path'
import { capture } from '../lib.mjs'
import { checkClientTypes, checkDoors } from './doors.mjs'
import { checkContents, pack } from './pack.mjs'
import { checkNext, checkVite } from './pages.mjs'
import { install, project } from './project.mjs'
import { Report } from './report.mjs'
import { checkRuntimes, checkThisNode } from './runtimes.mjs'
import { checkServerImports, checkSizes } from './sizes.mjs'
import { checkSupplyChain } from './supply-chain.mjs'

/** Full size: other versions of Node, Bun, Deno and Next.js as well. */
export async function checkPackages(folder, { full, chromium }) {
  const report = new Report()
  const packed = pack(folder, report)
  if (packed === null) return report

  const both = project(join(folder, 'both'))
  const files = Object.values(packed)
  if (!report.check('npm install of both into an empty project', install(both, files))) return report
  const doors = checkContents(both, report)
  checkThisNode(both, report)
  checkDoors(both, doors, report)
  checkSupplyChain(both, report)
  await checkSizes(both, report)
  await checkServerImports(both, report)
  await checkVite(both, report, chromium)

  const clientOnly = project(join(folder, 'client-only'))
  if (report.check('npm install of the client alone', install(clientOnly, [packed.client]))) {
    const listed = capture('npm', ['ls', '--all', '--parseable'], { cwd: clientOnly }).out.trim().split('\n').slice(1)
    report.check('the client alone brings nothing else', listed.length === 1 ? undefined : listed.join('\n'))
    checkClientTypes(clientOnly, doors, report)
  }

  if (full) {
    checkRuntimes(folder, files, report)
    await checkNext(join(folder, 'next'), packed, report, chromium)
  }
  return report
}

// The installed packages in pages: what Vite and Next.js build from them, opened in a real browser.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { cleanEnv, pnpmEnv, root } from '../lib.mjs'
import { install } from './project.mjs'

/** The Vite that vitest runs on. */
function viteProgram() {
  const vitest = createRequire(join(root, 'package.json')).resolve('vitest/package.json')
  return join(dirname(createRequire(vitest).resolve('vite/package.json')), 'bin/vite.js')
}

/** A page that Vite builds exchanges messages with the server that serves it. */
export async function checkVite(folder, report, chromium) {
  const name = 'Vite'
  const build = [viteProgram(), 'build', '--logLevel', 'warn']
  if (!report.command(`${name}: build`, process.execPath, build, { cwd: folder })) return
  const expected = ['websocket', 'sse', 'long-poll']
  await inBrowser(
    `${name}: the page exchanges messages over ${expected.join(', ')}`,
    chromium,
    report,
    async (context) => {
      const site = start(process.execPath, ['site.mjs'], folder)
      try {
        const page = await context.newPage()
        await page.goto(await site.says(/http:\S+/))
        await page.waitForFunction('document.title !== ""')
        const title = await page.title()
        if (title !== String(expected)) throw new Error(`It used ${title}.`)
      } finally {
        site.kill()
      }
    },
  )
}

/** The notifications example, installed from the registry but for our packages, built and started by Next.js. */
export async function checkNext(folder, packed, report, chromium) {
  const name = 'Next.js'
  const app = join(folder, 'app')
  mkdirSync(app, { recursive: true })
  const archive = join(folder, 'notifications.tgz')
  // It resolves `catalog:` and `workspace:`; what the latter stands for is replaced by the packed files.
  const options = { cwd: join(root, 'examples', 'notifications'), env: pnpmEnv() }
  if (!report.command(`${name}: pack of the example`, 'pnpm', ['pack', '--out', archive], options)) return
  if (!report.command(`${name}: unpack`, 'tar', ['-xzf', archive, '-C', app, '--strip-components=1'])) return
  const path = join(app, 'package.json')
  const manifest = JSON.parse(readFileSync(path, 'utf8'))
  for (const [ours, file] of Object.entries(packed)) manifest.dependencies[`@rt/${ours}`] = `file:${file}`
  writeFileSync(path, JSON.stringify(manifest))
  // A project of its own keeps its settings to itself; Next.js reads nothing above it.
  cpSync(join(root, 'tsconfig.base.json'), join(app, 'tsconfig.base.json'))
  const settings = join(app, 'tsconfig.json')
  writeFileSync(settings, readFileSync(settings, 'utf8').replace('../../tsconfig.base.json', './tsconfig.base.json'))
  if (!report.check(`${name}: npm install`, install(app, []))) return
  const next = join('node_modules', 'next', 'dist', 'bin', 'next')
  if (!report.command(`${name}: next build`, process.execPath, [next, 'build'], { cwd: app })) return
  await inBrowser(`${name}: what the server sends arrives in the page`, chromium, report, async (context) => {
    const server = start(process.execPath, [next, 'start', '--port', '0'], app)
    try {
      const url = await server.says(/http:\/\/localhost:\d+/)
      await context.addCookies([{ name: 'user', value: 'ada', url }])
      const page = await context.newPage()
      await page.goto(url)
      await page.locator('[role="status"][data-live="true"]').waitFor()
      await page.getByLabel('Text').fill('packed')
      await page.getByRole('button', { name: 'Send to myself' }).click()
      await page.locator('#badge:visible', { hasText: /^1$/ }).waitFor()
    } finally {
      server.kill()
    }
  })
}

/** Runs a check with a browser, where there is one. */
async function inBrowser(name, chromium, report, run) {
  if (!chromium || !existsSync(chromium)) {
    report.skip(name, 'there is no Chromium')
    return
  }
  // The one that the browser tests have.
  const { chromium: driver } = createRequire(join(root, 'packages/e2e/package.json'))('playwright-core')
  const browser = await driver.launch({ executablePath: chromium, args: ['--no-sandbox'] })
  const context = await browser.newContext()
  // A machine that is busy is slow, and nothing worse.
  context.setDefaultTimeout(120_000)
  let problem
  try {
    await run(context)
  } catch (error) {
    problem = String(error)
  }
  await browser.close()
  report.check(name, problem)
}

/** A program that goes on until it is killed, with the processes that it starts. */
function start(file, args, cwd) {
  const child = spawn(file, args, { cwd, env: cleanEnv(), stdio: ['ignore', 'pipe', 'inherit'], detached: true })
  let printed = ''
  child.stdout.setEncoding('utf8').on('data', (text) => {
    printed += text
  })
  const ended = once(child, 'close')
  const kill = () => {
    try {
      process.kill(-child.pid, 'SIGKILL')
    } catch {
      // It is gone.
    }
  }
  process.once('exit', kill)
  return {
    kill,
    /** Resolves with the first match in what it prints. */
    async says(pattern) {
      for (;;) {
        const found = printed.match(pattern)
        if (found) return found[0]
        const more = await Promise.race([once(child.stdout, 'data'), ended.then(() => null)])
        if (more === null) throw new Error(`${args.join(' ')} ended:\n${printed}`)
      }
    },
  }
}

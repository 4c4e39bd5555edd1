// Finds the programs that the tests need; on Debian as root installs those that are missing. Called by test.mjs.
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { cache, capture, cleanEnv, which } from './lib.mjs'

const fromEnv = (name) => (process.env[name] && existsSync(process.env[name]) ? process.env[name] : undefined)

const TOOLS = [
  {
    name: 'redis-server',
    variable: 'REDIS_SERVER',
    debian: ['redis-server'],
    find: () => fromEnv('REDIS_SERVER') ?? which('redis-server') ?? redisByDocker(),
    hint: 'install Redis 7 or newer (`brew install redis`, `apt-get install redis-server`), or set REDIS_SERVER to its path',
  },
  {
    name: 'chromium',
    variable: 'CHROMIUM_PATH',
    debian: ['chromium', 'fonts-liberation'],
    find: () =>
      fromEnv('CHROMIUM_PATH') ??
      which('chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable') ??
      [
        '/Applications/Chromium.app/Contents/MacOS/Chromium',
        '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
      ].find(existsSync),
    hint: 'install Chromium or Chrome, or set CHROMIUM_PATH to its path',
  },
  {
    name: 'python3 with websockets',
    variable: 'RT_PYTHON',
    debian: ['python3', 'python3-websockets'],
    find: () =>
      [fromEnv('RT_PYTHON'), '/usr/bin/python3', which('python3')].find(
        (path) => path && existsSync(path) && capture(path, ['-c', 'import websockets']).code === 0,
      ),
    hint: 'install the Python package websockets 10 or newer, or set RT_PYTHON to a python3 that has it',
  },
  {
    name: 'curl',
    variable: 'RT_CURL',
    debian: ['curl'],
    find: () => fromEnv('RT_CURL') ?? which('curl'),
    hint: 'install curl',
  },
  {
    name: 'openssl',
    variable: 'RT_OPENSSL',
    debian: ['openssl'],
    find: () => fromEnv('RT_OPENSSL') ?? which('openssl'),
    hint: 'install openssl, or set RT_OPENSSL to its path',
  },
  {
    // Not `NGINX`: nginx itself reads a variable of that name.
    name: 'nginx',
    variable: 'RT_NGINX',
    debian: ['nginx'],
    find: () => [fromEnv('RT_NGINX'), which('nginx'), '/usr/sbin/nginx'].find((path) => path && existsSync(path)),
    hint: 'install nginx, or set RT_NGINX to its path',
  },
  {
    name: 'haproxy',
    variable: 'RT_HAPROXY',
    debian: ['haproxy'],
    find: () => [fromEnv('RT_HAPROXY'), which('haproxy'), '/usr/sbin/haproxy'].find((path) => path && existsSync(path)),
    hint: 'install HAProxy, or set RT_HAPROXY to its path',
  },
  {
    name: 'network namespaces with iptables',
    variable: 'RT_NETNS',
    debian: ['iproute2', 'iptables'],
    find: networkNamespaces,
    hint: 'run the tests on Linux as root, with iproute2 and iptables installed',
  },
]

/** The path of `ip` where this machine lets us make networks of our own and filter in them. */
function networkNamespaces() {
  const ip = process.platform === 'linux' && process.getuid?.() === 0 ? which('ip') : undefined
  if (!ip || !which('iptables')) return undefined
  const name = `rt-setup-${process.pid}`
  const works =
    capture(ip, ['netns', 'add', name]).code === 0 &&
    capture(ip, ['netns', 'exec', name, 'iptables', '-I', 'INPUT', '-j', 'DROP']).code === 0
  capture(ip, ['netns', 'del', name])
  return works ? ip : undefined
}

/** A stand-in for redis-server that runs it in Docker; host networking, so Linux only. */
function redisByDocker() {
  const docker = process.platform === 'linux' ? which('docker') : undefined
  if (!docker || capture(docker, ['info']).code !== 0) return undefined
  const folder = join(cache, 'docker-redis')
  mkdirSync(folder, { recursive: true })
  for (const program of ['redis-server', 'redis-cli']) {
    const mounts = '-v "$PWD:$PWD" -v /tmp:/tmp -w "$PWD"'
    writeFileSync(
      join(folder, program),
      `#!/bin/sh\nexec docker run --rm -i --network host --user "$(id -u):$(id -g)" ${mounts} redis:7 ${program} "$@"\n`,
    )
    chmodSync(join(folder, program), 0o755)
  }
  return join(folder, 'redis-server')
}

const isDebian = () =>
  process.getuid?.() === 0 &&
  which('apt-get') !== undefined &&
  existsSync('/etc/os-release') &&
  /^ID(_LIKE)?=.*debian/m.test(readFileSync('/etc/os-release', 'utf8'))

function apt(packages) {
  // RUNLEVEL=1: Debian's packages start no service then. One that listens on 6379 is not ours to use or to stop.
  const env = cleanEnv({ DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' })
  const options = ['-qq', '-o', 'DPkg::Lock::Timeout=120', '-o', 'Dpkg::Use-Pty=0', '-o', 'Acquire::Retries=2']
  let last
  for (const attempt of [1, 2]) {
    const update = capture('apt-get', [...options, 'update'], { env })
    last = capture('apt-get', [...options, '-y', '--no-install-recommends', 'install', ...packages], { env })
    if (last.code === 0) return undefined
    if (attempt === 1) console.log(`apt-get failed, once more: ${(last.err || update.err).trim().split('\n').at(-1)}`)
  }
  return last.err.trim()
}

/** Gives back the environment variables that tell tests where each program is, and what is missing. */
export function setup() {
  const env = {}
  let missing = TOOLS.filter((tool) => !tool.find())
  if (missing.length > 0 && isDebian()) {
    const packages = missing.flatMap((tool) => tool.debian)
    console.log(`apt-get install ${packages.join(' ')}`)
    const error = apt(packages)
    if (error) console.log(error)
  }
  for (const tool of TOOLS) {
    const path = tool.find()
    if (path) env[tool.variable] = path
  }
  if (env.REDIS_SERVER) {
    const beside = join(dirname(env.REDIS_SERVER), 'redis-cli')
    const cli = existsSync(beside) ? beside : which('redis-cli')
    if (cli) env.REDIS_CLI = cli
  }
  missing = TOOLS.filter((tool) => !env[tool.variable])
  for (const tool of TOOLS) {
    console.log(`${tool.name}: ${env[tool.variable] ?? `missing; the tests that need it are not run: ${tool.hint}`}`)
  }
  return { env, missing: missing.map(({ name, hint }) => ({ name, hint })) }
}

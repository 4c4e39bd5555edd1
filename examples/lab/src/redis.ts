/** The Redis of the lab: the one of REDIS_URL, or a process of its own that is gone with the lab. Used by start.ts, which puts a proxy before it. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import type { NetConnectOpts } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

export interface LabRedis {
  readonly target: NetConnectOpts
  /** Its address when it is reached at this port of this machine. */
  urlAt(port: number): string
  readonly name: string
  end(): void
}

/** Null when there is none. */
export async function findRedis(): Promise<LabRedis | null> {
  const given = process.env.REDIS_URL
  return given ? givenRedis(new URL(given)) : ownRedis()
}

function givenRedis(url: URL): LabRedis {
  return {
    target: { host: url.hostname, port: Number(url.port || 6379) },
    urlAt(port) {
      const proxied = new URL(url)
      proxied.host = `127.0.0.1:${port}`
      return proxied.href
    },
    name: url.host,
    end() {},
  }
}

async function ownRedis(): Promise<LabRedis | null> {
  const folder = mkdtempSync(join(tmpdir(), 'rt-lab-'))
  const socket = join(folder, 'redis.sock')
  const args = ['--port', '0', '--unixsocket', socket, '--dir', folder, '--save', '']
  const child = spawn(process.env.REDIS_SERVER || 'redis-server', args, { stdio: ['ignore', 'pipe', 'ignore'] })
  const ready = await new Promise<boolean>((resolve) => {
    child.once('error', () => resolve(false))
    child.once('exit', () => resolve(false))
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (/ready to accept connections/i.test(line)) resolve(true)
    })
  })
  const end = () => {
    child.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  }
  if (!ready) {
    end()
    return null
  }
  process.once('exit', end)
  return {
    target: { path: socket },
    urlAt: (port) => `redis://127.0.0.1:${port}`,
    name: `process ${child.pid}`,
    end,
  }
}

/** A program that serves on a Unix socket in a folder of its own, from a configuration file; how the tests run nginx and HAProxy. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface ServerProgramOptions {
  readonly program: string
  /** The configuration, made for the folder that holds it and the path of the socket. */
  readonly configure: (folder: string, socket: string) => string
  readonly args: (configuration: string, folder: string) => readonly string[]
}

export class ServerProgram {
  /** Path of the socket that it listens on. */
  readonly socket: string
  readonly #end: () => Promise<void>

  private constructor(socket: string, end: () => Promise<void>) {
    this.socket = socket
    this.#end = end
  }

  /** Resolves when it accepts connections; rejects with what it printed when it ends before. */
  static async start({ program, configure, args }: ServerProgramOptions): Promise<ServerProgram> {
    const folder = mkdtempSync(join(tmpdir(), 'rt-proxy-'))
    // Its workers may run as somebody else.
    chmodSync(folder, 0o755)
    const socket = join(folder, 'socket')
    const configuration = join(folder, 'configuration')
    writeFileSync(configuration, configure(folder, socket))
    const child = spawn(program, args(configuration, folder), { stdio: ['ignore', 'pipe', 'pipe'] })
    let printed = ''
    for (const out of [child.stdout, child.stderr]) out.setEncoding('utf8').on('data', (text) => (printed += text))
    let over: Error | null = null
    const exited = once(child, 'exit').then(
      ([code, signal]) => {
        over = new Error(`${program} ended with ${signal ?? code}.\n${printed}`)
      },
      (error: Error) => {
        over = error
      },
    )
    // SIGTERM: a master that is killed leaves its workers behind.
    const endWithUs = () => child.kill('SIGTERM')
    process.once('exit', endWithUs)
    const end = async () => {
      process.off('exit', endWithUs)
      endWithUs()
      await exited
      rmSync(folder, { recursive: true, force: true })
    }
    while (!(await accepts(socket))) {
      if (over !== null) {
        await end()
        throw over
      }
    }
    return new ServerProgram(socket, end)
  }

  close(): Promise<void> {
    return this.#end()
  }
}

/** Whether somebody listens there. Nothing tells when a program begins to, so it is asked every 10 ms. */
function accepts(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(socket)
    probe.once('connect', () => {
      probe.destroy()
      resolve(true)
    })
    probe.once('error', () => setTimeout(resolve, 10, false))
  })
}
